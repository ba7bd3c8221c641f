"""Where a frame's time goes: measured quantiles of each leg of its way."""

import math
from typing import Literal, get_args

from edge.sliding_windows import QuantileWindow

Leg = Literal["network", "decode", "queue", "inference", "back"]
LEGS: tuple[Leg, ...] = get_args(Leg)
SPENT: tuple[Leg, ...] = ("network", "decode", "back")  # queue and inference get what is left


class LatencyBudget:
    """One session's legs, each over the last `max_age_ms` and at most `max_count` frames."""

    def __init__(self, max_count: int = 256, max_age_ms: float = 10_000.0) -> None:
        self._windows = {leg: QuantileWindow(max_count, max_age_ms) for leg in LEGS}

    def observe(self, leg: Leg, ms: float, now_ms: float) -> None:
        """A frame spent `ms` on this leg. Clocks err: less than nothing counts as nothing."""
        if math.isfinite(ms):
            self._windows[leg].add(max(0.0, ms), now_ms)

    def quantile(self, leg: Leg, q: float, now_ms: float | None = None) -> float | None:
        """The leg's quantile in ms, with a time of what is recent then; None if there is none."""
        window = self._windows[leg]
        if now_ms is not None:
            window.expire(now_ms)
        return window.quantile(q)

    def left_ms(self, slo_ms: float, q: float = 0.95, now_ms: float | None = None) -> float:
        """What the SLO leaves for queueing and inference; negative if nothing.

        Takes off the sum of the other legs' quantiles: at least the quantile of their sum, unless
        they are spread unusually, so it errs on the safe side. Unmeasured legs take nothing.
        """
        return slo_ms - sum(self.quantile(leg, q, now_ms) or 0.0 for leg in SPENT)


def infeasible(slo_ms: float, network_ms: float) -> bool:
    """Whether the network alone ate a frame's SLO, so that no server could have met it."""
    return network_ms >= slo_ms
