"""Rules over zones: on once a number has been exceeded, or fallen short of, for a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from edge.tracking.events import TrackEvent, Why
from edge.tracking.settings import RuleSettings


@dataclass(slots=True)
class Rule:
    """One rule for one camera."""

    settings: RuleSettings
    on: bool = False
    count: int = 0
    """What it counts, in the zone now."""
    _since_s: float | None = None
    """Since when the opposite of `on` holds."""
    _on_s: float = 0.0

    def observe(self, now_s: float, occupancy: Counter[str]) -> Iterable[TrackEvent]:
        """What is in its zone now, by class."""
        its = self.settings
        named = its.classes
        self.count = sum(occupancy[name] for name in named) if named else occupancy.total()
        if its.more_than is not None:
            holds = self.count > its.more_than
        else:
            holds = self.count < (its.fewer_than or 0)
        if holds == self.on:
            self._since_s = None
            return
        if self._since_s is None or now_s < self._since_s:  # a clock may be set back
            self._since_s = now_s
        wait_s = its.for_s if not self.on or its.off_s is None else its.off_s
        if now_s - self._since_s < wait_s:
            return
        if self.on:
            yield self._off(now_s, "left")
        else:
            self.on, self._on_s, self._since_s = True, now_s, None
            yield self._event("rule_on")

    def end(self, now_s: float) -> Iterable[TrackEvent]:
        """Its camera has gone."""
        self._since_s = None
        if self.on:
            yield self._off(now_s, "ended")

    def _off(self, now_s: float, why: Why) -> TrackEvent:
        self.on, self._since_s = False, None
        more = {"on_s": round(max(0.0, now_s - self._on_s), 3)}
        return self._event("rule_off", **more, **({"why": why} if why == "ended" else {}))

    def _event(self, kind: Literal["rule_on", "rule_off"], **more: object) -> TrackEvent:
        its = self.settings
        return TrackEvent(kind, {"rule": its.name, "zone": its.zone, "count": self.count, **more})
