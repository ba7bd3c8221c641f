"""The policies that are compared: what each is, as settings of the server.

`ours` adapts what is sent and the network, for all sessions together. `data-only` adapts what is
sent, and its network has one size; `dnn-only` adapts the network, and every client sends the
largest size with bits enough for it; `fixed` adapts neither. `aiortc` is `fixed` with another
server: aiortc's own receiver, first in, first out (netem/baseline/server.py). The words are
those of `analysis.simulator.policies`, and so is how the fixed size is chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from analysis.simulator.affordable import affordable
from edge.profile.accuracy import AccuracyProfile
from edge.profile.latency import LatencyProfile
from edge.profile.variant import SENT_LONG_SIDES, Variant
from netem.experiment.specification import Experiment, ExperimentCell, PolicyName

ENOUGH = 0.98  # of what a size can reach: the bits that a fixed size is sent with
HELD_DATA: tuple[PolicyName, ...] = ("dnn-only", "fixed", "aiortc")
HELD_DNN: tuple[PolicyName, ...] = ("data-only", "fixed", "aiortc")


@dataclass(frozen=True, slots=True)
class Choice:
    """The network's input sides that may be used, and what is asked of every client (None: what
    its link and the plan say)."""

    long_sides: tuple[int, ...]
    sent_long_side: int | None = None
    sent_bps: int | None = None


def choose(
    experiment: Experiment, cell: ExperimentCell, size: tuple[int, int], accuracy: AccuracyProfile
) -> Choice:
    """A run's choice; `size` is the clients' picture."""
    policy, long_sides = cell.policy, tuple(sorted(experiment.edges))
    fixed = experiment.fixed
    long_side = _fixed_long_side(experiment, cell, size) if fixed is None else fixed.edge
    kept = (long_side,) if policy in HELD_DNN else long_sides
    if policy not in HELD_DATA:
        return Choice(kept)
    if fixed is not None and policy != "dnn-only":
        return Choice(kept, fixed.sent_edge, fixed.sent_bps)
    largest = long_sides[-1] if policy == "dnn-only" else long_side
    sent_long_side = max(each for each in SENT_LONG_SIDES if each <= largest)
    bps = accuracy.enough_bps(
        Variant(experiment.network, kept[-1]).name,
        sent_long_side,
        cell.fps,
        ENOUGH,
        pixels=sent_long_side * sent_long_side * min(size) // max(size),
    )
    return Choice(kept, sent_long_side, round(min(bps, experiment.max_bps)))


def _fixed_long_side(experiment: Experiment, cell: ExperimentCell, size: tuple[int, int]) -> int:
    if not experiment.simulated:
        return max(experiment.edges)  # not used: the specification asks for `fixed` where it is
    profiles = [LatencyProfile.load(Path(each.removeprefix("sim:"))) for each in experiment.device]
    return affordable(
        experiment.network,
        experiment.edges,
        size,
        profiles,
        frames_a_second=cell.clients * cell.fps,
        slo_ms=cell.slo_ms,
    )
