"""Things whose identities were seen by eye, and how often their tracks change."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.models.boxes import Box

FILE = Path(__file__).with_name("identities.csv")

TrackedFrame = tuple[float, list[Box], list[int | None]]
"""Time in seconds, boxes, and their tracks."""


@dataclass(frozen=True)
class Sighting:
    """Where something was, as fractions of the picture."""

    who: str
    at_s: float
    x: float
    y: float


@dataclass(frozen=True)
class Identities:
    """How their tracks went."""

    things: int
    sightings: int
    tracked: int
    """Sightings that were within a box."""
    switches: int
    """Changes of a thing's track from one tracked sighting to the next, gaps included."""
    seconds: float
    """That the things were followed for, together."""

    @property
    def switches_per_min(self) -> float:
        """For one of them."""
        return 60.0 * self.switches / self.seconds if self.seconds else 0.0


def load_sightings(clip: str, file: Path = FILE) -> list[Sighting]:
    """Those of one clip, by its file's name."""
    with file.open(newline="") as lines:
        return [
            Sighting(row["who"], float(row["s"]), float(row["x"]), float(row["y"]))
            for row in csv.DictReader(lines)
            if row["clip"] == clip
        ]


def identities(sightings: Sequence[Sighting], frames: Sequence[TrackedFrame]) -> Identities:
    """Each sighting belongs to the box nearest to it that it lies in, if there is one."""
    by_time = {round(at_s, 2): (boxes, ids) for at_s, boxes, ids in frames}
    tracked = switches = 0
    seconds = 0.0
    names = sorted({each.who for each in sightings})
    for name in names:
        own = sorted((each for each in sightings if each.who == name), key=lambda each: each.at_s)
        found = [_track(each, *by_time.get(round(each.at_s, 2), ([], []))) for each in own]
        ids = [track for track in found if track is not None]
        tracked += len(ids)
        switches += sum(one != other for one, other in itertools.pairwise(ids))
        seconds += own[-1].at_s - own[0].at_s
    return Identities(len(names), len(sightings), tracked, switches, seconds)


def _track(seen: Sighting, boxes: Sequence[Box], ids: Sequence[int | None]) -> int | None:
    within = [
        (abs((x1 + x2) / 2 - seen.x) + abs((y1 + y2) / 2 - seen.y), track)
        for (_, _, x1, y1, x2, y2), track in zip(boxes, ids, strict=True)
        if track is not None and x1 <= seen.x <= x2 and y1 <= seen.y <= y2
    ]
    return min(within)[1] if within else None
