"""The latency budget: measured quantiles of each leg of a frame's path, and what the SLO leaves.

Pure: times in ms are arguments.
"""

import math
from typing import Literal, get_args

from edge.base.sliding_windows import QuantileWindow

Leg = Literal["network", "decode", "queue", "inference", "back"]
LEGS: tuple[Leg, ...] = get_args(Leg)
FIXED: tuple[Leg, ...] = ("network", "decode", "back")  # queue and inference get what is left


class LatencyBudget:
    """One session's legs, each over the last `max_age_ms` and at most `max_count` frames."""

    def __init__(self, max_count: int = 256, max_age_ms: float = 10_000.0) -> None:
        self._windows = {leg: QuantileWindow(max_count, max_age_ms) for leg in LEGS}

    def observe(self, leg: Leg, ms: float, now_ms: float) -> None:
        """A frame spent `ms` on this leg; a negative time, by clocks that disagree, counts as 0."""
        if math.isfinite(ms):
            self._windows[leg].add(max(0.0, ms), now_ms)

    def quantile(self, leg: Leg, q: float, now_ms: float | None = None) -> float | None:
        """The leg's quantile in ms, None without values; with `now_ms`, old values are dropped."""
        window = self._windows[leg]
        if now_ms is not None:
            window.expire(now_ms)
        return window.quantile(q)

    def left_ms(self, slo_ms: float, q: float = 0.95, now_ms: float | None = None) -> float:
        """The part of the SLO left for queueing and inference; negative if the others exceed it.

        Takes off the sum of the other legs' quantiles, which is at least the quantile of their sum
        for all but unusual distributions: it errs on the safe side. Unmeasured legs count as 0.
        """
        return slo_ms - sum(self.quantile(leg, q, now_ms) or 0.0 for leg in FIXED)


def infeasible(slo_ms: float, network_ms: float) -> bool:
    """Whether the network alone took a frame's whole SLO, so that no server could have met it."""
    return network_ms >= slo_ms
