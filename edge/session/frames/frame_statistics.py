"""Counts and latencies of one session's frames, as its view and `stats` message show them.

`edge.session.frames.frame_accounting` decides each frame's outcome and reports it here.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping

from edge.adaptation.latency_budget import LEGS, LatencyBudget, Leg
from edge.base.sliding_windows import QuantileWindow
from edge.observability.frame_metrics import FrameMetrics
from edge.session.view import LatencyQuantiles


class FrameStatistics:
    """Each received frame ends in exactly one of `outcomes`: "answered", or the reason of a drop.

    `answered_late` counts those answered after their objective, by the return time as last
    measured; `infeasible` those that missed it because the network alone took longer.
    """

    def __init__(self, metrics: FrameMetrics) -> None:
        self.outcomes: Counter[str] = Counter()
        self.answered_late = 0
        self.infeasible = 0
        self.device: int | None = None
        self.variant: str | None = None
        self._legs = LatencyBudget()  # of all answered frames, infeasible ones included
        self._whole = QuantileWindow(256, 10_000.0)
        self._decoded_ms: deque[float] = deque(maxlen=32)
        self._metrics = metrics

    def decoded(self, now_ms: float) -> None:
        """A frame was decoded."""
        self._decoded_ms.append(now_ms)

    def answered(
        self,
        legs_ms: Mapping[Leg, float],
        slo_ms: float,
        now_ms: float,
        *,
        device: int,
        variant: str,
        infeasible: bool,
    ) -> None:
        """A frame was answered after `legs_ms`, the return to the publisher included."""
        legs_ms = {leg: max(0.0, ms) for leg, ms in legs_ms.items()}  # clock estimates err
        whole_ms = sum(legs_ms.values())
        for leg, ms in legs_ms.items():
            self._legs.observe(leg, ms, now_ms)
        self.outcomes["answered"] += 1
        self.answered_late += whole_ms > slo_ms
        self.infeasible += infeasible
        self.device, self.variant = device, variant
        self._whole.add(whole_ms, now_ms)
        self._metrics.answered(legs_ms, whole_ms, slo_ms)

    def dropped(self, reason: str, *, infeasible: bool) -> None:
        self.outcomes[reason] += 1
        self.infeasible += infeasible
        self._metrics.dropped(reason)

    @property
    def drops(self) -> dict[str, int]:
        """Dropped frames by reason."""
        return {reason: n for reason, n in self.outcomes.items() if reason != "answered"}

    def by_outcome(self) -> dict[str, int]:
        """All ended frames: in_time, answered_late, or the reason of a drop."""
        late = {"answered_late": self.answered_late} if self.answered_late else {}
        return {"in_time": self.outcomes["answered"] - self.answered_late, **late, **self.drops}

    def latency(self, now_ms: float) -> LatencyQuantiles | None:
        """From capture to the answer in the publisher's hands; None without recent answers."""
        self._whole.expire(now_ms)
        return _quantiles(self._whole.quantile(0.5), self._whole.quantile(0.99))

    def legs(self, now_ms: float) -> dict[str, LatencyQuantiles]:
        """Time in each leg, of recently answered frames."""
        of_legs = {
            leg: _quantiles(
                self._legs.quantile(leg, 0.5, now_ms), self._legs.quantile(leg, 0.99, now_ms)
            )
            for leg in LEGS
        }
        return {leg: quantiles for leg, quantiles in of_legs.items() if quantiles is not None}

    def fps(self, now_ms: float) -> float:
        """Frames a second decoded recently."""
        if len(self._decoded_ms) < 2:
            return 0.0
        first, last = self._decoded_ms[0], self._decoded_ms[-1]
        return 1000.0 * (len(self._decoded_ms) - 1) / max(1.0, max(now_ms, last) - first)


def _quantiles(p50_ms: float | None, p99_ms: float | None) -> LatencyQuantiles | None:
    return None if p50_ms is None or p99_ms is None else LatencyQuantiles(p50_ms, p99_ms)
