"""What became of one session's frames, and how long they took."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping

from edge.adaptation.latency_budget import LatencyBudget, Leg
from edge.observability.metrics_data import FrameMetrics
from edge.sliding_windows import QuantileWindow


class FrameStatistics:
    """Each frame that came in ends in exactly one of `outcomes`: answered, or dropped by reason.

    `late` counts those answered after their objective, by the way back as last measured, and
    `infeasible` those that missed since the network alone had eaten it.
    """

    def __init__(self, meter: FrameMetrics) -> None:
        self.outcomes: Counter[str] = Counter()
        self.late = 0
        self.infeasible = 0
        self.device: int | None = None
        self.variant: str | None = None
        self.budget = LatencyBudget()  # of every frame; what plans go by leaves hopeless ones out
        self._whole = QuantileWindow(256, 10_000.0)
        self._came: deque[float] = deque(maxlen=32)
        self._meter = meter

    def came(self, now_ms: float) -> None:
        """A frame was decoded."""
        self._came.append(now_ms)

    def answered(
        self,
        legs_ms: Mapping[Leg, float],
        slo_ms: float,
        now_ms: float,
        *,
        device: int,
        variant: str,
        hopeless: bool,
    ) -> None:
        """A frame was answered, having spent `legs_ms`, the way back included."""
        legs_ms = {leg: max(0.0, ms) for leg, ms in legs_ms.items()}  # clocks err
        whole_ms = sum(legs_ms.values())
        for leg, ms in legs_ms.items():
            self.budget.observe(leg, ms, now_ms)
        self.outcomes["answered"] += 1
        self.late += whole_ms > slo_ms
        self.infeasible += hopeless
        self.device, self.variant = device, variant
        self._whole.add(whole_ms, now_ms)
        self._meter.answered(legs_ms, whole_ms, slo_ms)

    def dropped(self, reason: str, hopeless: bool) -> None:
        self.outcomes[reason] += 1
        self.infeasible += hopeless
        self._meter.dropped(reason)

    def by_end(self) -> dict[str, int]:
        """Frames by what became of them: in_time, answered_late, or why dropped."""
        ends = {name: count for name, count in self.outcomes.items() if name != "answered"}
        return {
            "in_time": self.outcomes["answered"] - self.late,
            **({"answered_late": self.late} if self.late else {}),
            **ends,
        }

    def whole_ms(self, q: float, now_ms: float) -> float | None:
        """Quantile of the time from capture to the answer in hand, of the last ten seconds."""
        self._whole.expire(now_ms)
        return self._whole.quantile(q)

    def fps(self, now_ms: float) -> float:
        """Frames a second that come of late."""
        if len(self._came) < 2:
            return 0.0
        return (
            1000.0 * (len(self._came) - 1) / max(1.0, max(now_ms, self._came[-1]) - self._came[0])
        )
