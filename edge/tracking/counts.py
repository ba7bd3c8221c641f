"""Counts of what tracks did, of any number of cameras. Plain data, and mergeable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from edge.tracking.events import TrackEvent


@dataclass(slots=True)
class SceneCounts:
    """Of a period; by the names of zones, lines and rules."""

    entered: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    dwell_ms: Counter[str] = field(default_factory=Counter)
    """Of all visits that have ended."""
    crossed_in: Counter[str] = field(default_factory=Counter)
    crossed_out: Counter[str] = field(default_factory=Counter)
    rules_on: Counter[str] = field(default_factory=Counter)
    """How often each came on."""
    dropped: Counter[str] = field(default_factory=Counter)
    """`events` and `tracks` beyond a camera's bounds."""

    def __bool__(self) -> bool:
        return bool(
            self.entered
            or self.left
            or self.dwell_ms
            or self.crossed_in
            or self.crossed_out
            or self.rules_on
            or self.dropped
        )

    def merge(self, other: SceneCounts) -> None:
        for name in self.__dataclass_fields__:
            getattr(self, name).update(getattr(other, name))

    def add(self, events: Iterable[TrackEvent]) -> None:
        """Count events, whether or not they are sent."""
        for kind, fields in events:
            match kind:
                case "zone_entered":
                    self.entered[fields["zone"]] += 1
                case "zone_left":
                    self.left[fields["zone"]] += 1
                    self.dwell_ms[fields["zone"]] += round(1000.0 * fields["dwell_s"])
                case "line_crossed":
                    crossed = self.crossed_in if fields["direction"] == "in" else self.crossed_out
                    crossed[fields["line"]] += 1
                case "rule_on":
                    self.rules_on[fields["rule"]] += 1
                case "rule_off":
                    pass
