"""Random scheduling problems like the Jellyfish paper's (RTSS 2022, section VI, and its artefact).

A client sends a JPEG of quality 90 for each frame, as large as the variant's input; frame rate,
SLO and bandwidth are drawn evenly. What the SLO leaves after the network is the budget.
"""

from __future__ import annotations

import math
import random
from pathlib import Path

from edge.profile.latency import LatencyProfile
from edge.profile.variant import LONG_SIDES
from edge.scheduling.problem import Problem, ProblemClient, ProblemVariant

PROFILE = Path(__file__).parents[3] / "profiles" / "sim-rtx2080ti.json"
MAX_BATCH = 8
FPS = (10.0, 15.0, 25.0)
SLO_MS = (75.0, 100.0, 150.0)
BANDWIDTH_MBPS = (7.5, 50.0)
WIRE_MS = 1.0
# Bytes of a raw picture over those of its JPEG, least over the paper's videos, 128 to 608 px.
_COMPRESSION = (
    *(4.78, 5.15, 5.37, 5.66, 5.78, 6.13, 6.43, 6.56),
    *(6.78, 6.95, 7.16, 7.42, 7.57, 7.74, 7.97, 8.13),
)


def variants(profile: LatencyProfile) -> tuple[ProblemVariant, ...]:
    """YOLOv4 at 128 to 608 px; accuracy is a curve through Darknet's published AP50."""
    return tuple(
        ProblemVariant(
            name=f"yolov4-{long_side}",
            accuracy=round(0.67 - 0.455 * math.exp(-long_side / 171), 4),
            latency_ms=tuple(
                profile.latency_row(f"yolov4-{long_side}", (long_side, long_side))[:MAX_BATCH]
            ),
        )
        for long_side in LONG_SIDES
    )


def draw(networks: tuple[ProblemVariant, ...], gpus: int, clients: int, seed: int) -> Problem:
    """A problem of that size, always the same for a seed."""
    chance = random.Random(f"{gpus} {clients} {seed}")
    return Problem(
        gpus=gpus,
        variants=networks,
        clients=tuple(_client(str(index), chance) for index in range(clients)),
        seed=seed,
    )


def _client(name: str, chance: random.Random) -> ProblemClient:
    fps, slo_ms = chance.choice(FPS), chance.choice(SLO_MS)
    bandwidth_bps = chance.uniform(*BANDWIDTH_MBPS) * 1e6
    budgets = []
    for long_side, ratio in zip(LONG_SIDES, _COMPRESSION, strict=True):
        bits = long_side * long_side * 3 / ratio * 8
        fits = bandwidth_bps / bits > fps  # a link that can't carry the rate has no budget
        left_ms = slo_ms - bits / bandwidth_bps * 1e3 - WIRE_MS
        budgets.append(round(max(0.0, left_ms), 6) if fits else 0.0)
    return ProblemClient(name, fps, tuple(budgets))
