"""The policies that are compared: each one's settings of the server.

`ours` adapts the sent video and the network, for all sessions together. `data-only` adapts the
sent video, and its network has one size; `dnn-only` adapts the network, and every client sends the
largest size at a sufficient bitrate; `fixed` adapts neither. Of a family, `ours` serves with every
network, `last-network` with the last one, and all others with the first. `aiortc` is `fixed` with
another server: aiortc's own receiver, first in, first out (`netem.baseline.server`). The names and
the choice of the fixed size are the simulator's too (`analysis.simulator.policies`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge.profile.accuracy import AccuracyProfile
from edge.profile.latency_file import load_latency_profile
from edge.profile.variant import SENT_LONG_SIDES, Variant
from netem.experiment.fixed_size import fixed_long_side
from netem.experiment.specification import Experiment, ExperimentCell, PolicyName

SUFFICIENT = 0.98  # of the F1 that a sent size can reach: the bitrate that a fixed size is sent at
FIXED_DATA: tuple[PolicyName, ...] = ("dnn-only", "fixed", "aiortc")
FIXED_DNN: tuple[PolicyName, ...] = ("data-only", "fixed", "aiortc")


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """The networks with their allowed input sides, and every client's sent size and bitrate (None:
    as its link and the plan allow)."""

    networks: tuple[str, ...]
    long_sides: tuple[int, ...]
    sent_long_side: int | None = None
    sent_bps: int | None = None


def policy_settings(
    experiment: Experiment, cell: ExperimentCell, size: tuple[int, int], accuracy: AccuracyProfile
) -> PolicySettings:
    """A run's settings; `size` is the (width, height) of the clients' pictures."""
    policy, long_sides = cell.policy, tuple(sorted(experiment.edges))
    fixed = experiment.fixed
    long_side = _fixed_long_side(experiment, cell, size) if fixed is None else fixed.edge
    allowed = (long_side,) if policy in FIXED_DNN else long_sides
    networks = tuple(experiment.networks)
    if policy != "ours":
        networks = networks[-1:] if policy == "last-network" else networks[:1]
    if policy not in FIXED_DATA:
        return PolicySettings(networks, allowed)
    if fixed is not None and policy != "dnn-only":
        return PolicySettings(networks, allowed, fixed.sent_edge, fixed.sent_bps)
    largest = long_sides[-1] if policy == "dnn-only" else long_side
    sent_long_side = max(each for each in SENT_LONG_SIDES if each <= largest)
    bps = accuracy.enough_bps(
        Variant(experiment.network, allowed[-1]).name,
        sent_long_side,
        cell.fps,
        SUFFICIENT,
        pixels=sent_long_side * sent_long_side * min(size) // max(size),
    )
    return PolicySettings(networks, allowed, sent_long_side, round(min(bps, experiment.max_bps)))


def _fixed_long_side(experiment: Experiment, cell: ExperimentCell, size: tuple[int, int]) -> int:
    if not experiment.simulated:
        return max(experiment.edges)  # unused: real devices require the table `fixed`
    profiles = [load_latency_profile(Path(each.removeprefix("sim:"))) for each in experiment.device]
    return fixed_long_side(
        experiment.network,
        experiment.edges,
        size,
        profiles,
        frames_a_second=cell.clients * cell.fps,
        slo_ms=cell.slo_ms,
    )
