"""Who is in a zone, since when, and for how long it was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from edge.tracking.events import TrackEvent, Why
from edge.tracking.geometry import Point, Polygon
from edge.tracking.settings import ZoneSettings
from edge.tracking.tracker import Track


@dataclass(slots=True)
class _Visit:
    """A track inside, or about to be."""

    class_name: str
    since_s: float
    seen_s: float
    entered: bool = False
    out_s: float | None = None
    """Since when it is outside, while that does not count yet."""


@dataclass(slots=True)
class Zone:
    """One zone of one camera. State: a visit for each track that counts, at most."""

    settings: ZoneSettings
    _polygon: Polygon = field(init=False)
    _visits: dict[int, _Visit] = field(default_factory=dict)  # by track

    def __post_init__(self) -> None:
        self._polygon = Polygon(self.settings.polygon)

    @property
    def occupancy(self) -> Counter[str]:
        """Tracks inside, by class."""
        return Counter(visit.class_name for visit in self._visits.values() if visit.entered)

    def observe(
        self,
        at_s: float,
        tracks: Sequence[Track],
        names: Sequence[str],
        points: Sequence[Point],
    ) -> Iterable[TrackEvent]:
        """The tracks of a picture, their classes' names, and where they are."""
        wanted = self.settings.classes
        for track, name, point in zip(tracks, names, points, strict=True):
            inside = self._polygon.contains(point)
            visit = self._visits.get(track.id)
            if visit is None:
                if not inside or (wanted and name not in wanted):
                    continue
                visit = self._visits[track.id] = _Visit(name, at_s, at_s)
            if inside:
                visit.seen_s, visit.out_s = at_s, None
                if not visit.entered and at_s - visit.since_s >= self.settings.settle_s:
                    visit.entered = True
                    yield self._event("zone_entered", track.id, visit)
            elif not visit.entered:
                del self._visits[track.id]
            else:
                visit.out_s = at_s if visit.out_s is None else visit.out_s
                if at_s - visit.out_s >= self.settings.settle_s:
                    yield from self._end(track.id, "left")

    def forget(self, gone: Iterable[int], why: Why = "lost") -> Iterable[TrackEvent]:
        """Tracks have been given up."""
        for track in gone:
            if track in self._visits:
                yield from self._end(track, why)

    def end(self) -> Iterable[TrackEvent]:
        """Its camera has gone."""
        yield from self.forget(list(self._visits), "ended")

    def _end(self, track: int, why: Why) -> Iterable[TrackEvent]:
        visit = self._visits.pop(track)
        if not visit.entered:
            return
        until_s = visit.seen_s if visit.out_s is None else visit.out_s
        dwell_s = max(0.0, until_s - visit.since_s)
        yield self._event("zone_left", track, visit, dwell_s=round(dwell_s, 3), why=why)

    def _event(
        self, kind: Literal["zone_entered", "zone_left"], track: int, visit: _Visit, **more: object
    ) -> TrackEvent:
        fields = {"zone": self.settings.name, "track": track, "class": visit.class_name, **more}
        return TrackEvent(kind, {**fields, "occupancy": self.occupancy.total()})
