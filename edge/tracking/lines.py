"""What crosses a line, and in which direction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from edge.tracking.events import TrackEvent
from edge.tracking.geometry import Point, meets, side_distance
from edge.tracking.settings import LineSettings
from edge.tracking.tracker import Track


@dataclass(slots=True)
class Line:
    """One line of one camera. State: the latest place, clear of the line, of each track that
    counts.

    A box that trembles on the line crosses nothing: the other side counts from `margin` on. The
    line ends where it ends: the way around it is no crossing.
    """

    settings: LineSettings
    into: int = 0
    """Crossings since the start."""
    out: int = 0
    _places: dict[int, tuple[bool, Point]] = field(default_factory=dict)
    """By track: whether it is at the right, and where."""

    def observe(
        self, tracks: Sequence[Track], names: Sequence[str], points: Sequence[Point]
    ) -> Iterable[TrackEvent]:
        """The tracks of a picture, their classes' names, and where they are."""
        its = self.settings
        for track, name, point in zip(tracks, names, points, strict=True):
            distance = side_distance(its.start, its.end, point)
            if abs(distance) <= its.margin or (its.classes and name not in its.classes):
                continue
            right = distance > 0.0
            before = self._places.get(track.id)
            self._places[track.id] = (right, point)
            if before is None or before[0] == right:
                continue
            if not meets(its.start, its.end, before[1], point):
                continue
            self.into += right
            self.out += not right
            yield TrackEvent(
                "line_crossed",
                {
                    "line": its.name,
                    "direction": "in" if right else "out",
                    "track": track.id,
                    "class": name,
                    "in": self.into,
                    "out": self.out,
                },
            )

    def forget(self, gone: Iterable[int]) -> None:
        """Tracks have been given up."""
        for track in gone:
            self._places.pop(track, None)
