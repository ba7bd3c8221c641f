"""People whose identities were seen by eye, and how often their tracks change."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.models.boxes import Box

PEOPLE = Path(__file__).with_name("people.csv")

TrackedFrame = tuple[float, list[Box], list[int | None]]
"""Time in seconds, boxes, and their tracks."""


@dataclass(frozen=True)
class Sighting:
    """Where a person was, as fractions of the picture."""

    person: str
    at_s: float
    x: float
    y: float


@dataclass(frozen=True)
class Identities:
    """How people's tracks went."""

    people: int
    sightings: int
    tracked: int
    """Sightings that were within a box."""
    switches: int
    """Changes of a person's track from one tracked sighting to the next, gaps included."""
    seconds: float
    """That the people were followed for, together."""

    @property
    def switches_per_min(self) -> float:
        """For one person."""
        return 60.0 * self.switches / self.seconds if self.seconds else 0.0


def load_people(file: Path = PEOPLE) -> list[Sighting]:
    with file.open(newline="") as lines:
        return [
            Sighting(row["person"], float(row["s"]), float(row["x"]), float(row["y"]))
            for row in csv.DictReader(lines)
        ]


def identities(people: Sequence[Sighting], frames: Sequence[TrackedFrame]) -> Identities:
    """Each sighting belongs to the box nearest to it that it lies in, if there is one."""
    by_time = {round(at_s, 2): (boxes, ids) for at_s, boxes, ids in frames}
    tracked = switches = 0
    seconds = 0.0
    names = sorted({each.person for each in people})
    for name in names:
        own = sorted((each for each in people if each.person == name), key=lambda each: each.at_s)
        found = [_track(each, *by_time.get(round(each.at_s, 2), ([], []))) for each in own]
        ids = [track for track in found if track is not None]
        tracked += len(ids)
        switches += sum(one != other for one, other in itertools.pairwise(ids))
        seconds += own[-1].at_s - own[0].at_s
    return Identities(len(names), len(people), tracked, switches, seconds)


def _track(seen: Sighting, boxes: Sequence[Box], ids: Sequence[int | None]) -> int | None:
    within = [
        (abs((x1 + x2) / 2 - seen.x) + abs((y1 + y2) / 2 - seen.y), track)
        for (_, _, x1, y1, x2, y2), track in zip(boxes, ids, strict=True)
        if track is not None and x1 <= seen.x <= x2 and y1 <= seen.y <= y2
    ]
    return min(within)[1] if within else None
