"""What became of a source's frames, over all its sessions. Pure: times are arguments, in ms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edge.base.histogram import QuantileSketch
from edge.client.frame_outcomes import IN_TIME, LATE, UNANSWERED_MS, FrameOutcomes, PublishedFrame


@dataclass(slots=True)
class Totals:
    """Counts and latencies; a frame is added once it has its outcome."""

    outcomes: Counter[str] = field(default_factory=Counter)
    classes: Counter[str] = field(default_factory=Counter)
    latency: QuantileSketch = field(default_factory=QuantileSketch)
    infeasible: int = 0
    bits: float = 0.0

    def add(self, frame: PublishedFrame) -> None:
        """Count a frame; one without an outcome counts as unanswered."""
        self.outcomes[frame.outcome or "unanswered"] += 1
        self.infeasible += frame.infeasible
        self.bits += 8.0 * frame.bytes
        self.classes.update(str(box[0]) for box in frame.boxes)
        if frame.latency_ms is not None:
            self.latency.add(frame.latency_ms)

    def merge(self, other: Totals) -> None:
        """Add another's counts."""
        self.outcomes += other.outcomes
        self.classes += other.classes
        self.latency.counts += other.latency.counts
        self.infeasible += other.infeasible
        self.bits += other.bits

    @property
    def captured(self) -> int:
        return self.outcomes.total()

    @property
    def answered(self) -> int:
        return self.outcomes[IN_TIME] + self.outcomes[LATE]

    def line(self, seconds: float | None = None) -> str:
        """The counts for people; with `seconds`, also how many a second that is."""
        parts = [f"{self.outcomes[IN_TIME]} of {self.captured} frames in time"]
        quantiles = [self.latency.quantile(q) for q in (0.5, 0.99)]
        if quantiles[0] is not None and quantiles[1] is not None:
            parts.append(f"p50 {quantiles[0]:.0f} ms, p99 {quantiles[1]:.0f} ms")
        others = {key: n for key, n in sorted(self.outcomes.items()) if key != IN_TIME and n}
        parts += [f"{n} {key}" for key, n in others.items()]
        if seconds:
            parts.insert(0, f"{self.captured / seconds:.1f} fps")
            parts.append(f"{self.bits / seconds / 1e6:.2f} Mbit/s")
        if self.classes:
            parts.append("seen: " + ", ".join(f"{k} {n}" for k, n in self.classes.most_common(5)))
        return ", ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """The counts as the last JSON line of a source has them."""
        quantiles: Mapping[str, float | None] = {
            f"p{100 * q:g}": self.latency.quantile(q) for q in (0.5, 0.9, 0.99)
        }
        dropped = {
            key: n for key, n in sorted(self.outcomes.items()) if key not in (IN_TIME, LATE) and n
        }
        return {
            "captured": self.captured,
            "in_time": self.outcomes[IN_TIME],
            "late": self.outcomes[LATE],
            "infeasible": self.infeasible,
            "dropped": dropped,
            "latency_ms": {key: round(ms, 1) for key, ms in quantiles.items() if ms is not None},
            "classes": dict(self.classes),
        }


def take_ended(outcomes: FrameOutcomes, now_ms: float, *, all_of_them: bool = False) -> Totals:
    """The frames that can get no other outcome, taken out of `outcomes`: the memory of a long run
    is bounded."""
    totals = Totals()
    before_ms = now_ms - outcomes.slo_ms - UNANSWERED_MS - 100.0
    for frame in outcomes.frames:
        if all_of_them or frame.captured_ms < before_ms:
            totals.add(frame)
    if all_of_them:
        outcomes.frames.clear()
    else:
        outcomes.forget(before_ms)
    return totals
