"""Tracking ids for the boxes of one camera: what is the same thing from picture to picture.

In the manner of ByteTrack (Zhang et al., ECCV 2022): tracks take the boxes of high score first,
then those of low score, which are mostly things half hidden. What is left is matched once more by
larger boxes (cf. C-BIoU, Yang et al., WACV 2023), for small things that move far between two
pictures at a low frame rate. Times are arguments, and positions fractions of the picture: neither
missing frames nor pictures of another size matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge.tracking.assignment import assign
from edge.tracking.motion import Floats, Motion
from edge.tracking.overlap import grown, overlaps, to_corners, to_places
from edge.tracking.settings import TrackingSettings

MAX_TRACKS = 256
"""Tracks at a time; beyond, the one unseen for the longest time is dropped."""
MAX_BOXES = 128
"""Boxes of a picture that are tracked; the weakest beyond have no track."""
MAX_REORDERING_S = 2.0
"""A picture that is older than the latest by more is of a camera whose clock was set back: all
tracks begin anew."""
TENTATIVE_S = 0.7
"""How long a track with fewer than `min_hits` boxes is looked for."""
RECENT_S = 0.6
"""How long a track without a box may be matched by larger boxes: later, its place is a guess."""
_LEAST_HIGH, _LEAST_LOW, _LEAST_GROWN = 0.2, 0.4, 0.15  # overlap of a pair
_OTHER_CLASS = 0.25  # overlap that a pair of different classes must have on top
_GROWTH = 0.4  # of boxes in the last pass, at each side
_SAME_THING = 0.8  # overlap of boxes of different classes that are of one thing
_LEAST_SCORE = 0.35  # the best of a track that counts
_CLASS_MEMORY = 0.9  # of what its boxes were called, a box

Box = Sequence[float]
"""Class index, score, x1, y1, x2, y2: corners as fractions of the picture."""


@dataclass(slots=True)
class Track:
    """A track that has a box in the latest picture, and counts."""

    id: int
    class_index: int
    x: float
    """Centre."""
    y: float
    width: float
    height: float


@dataclass(slots=True)
class TrackedPicture:
    """What a picture's boxes are."""

    ids: list[int | None]
    """The track of each box; None beyond `MAX_BOXES`."""
    tracks: list[Track] = field(default_factory=list)
    """Those that count, of this picture; none of a picture older than the latest."""
    gone: list[int] = field(default_factory=list)
    """Tracks that counted and are given up."""


class Tracker:
    """Tracks of one camera."""

    def __init__(self, settings: TrackingSettings) -> None:
        self._settings = settings
        self._motion = Motion.of(0.0, np.empty((0, 4)))
        self._id = np.empty(0, np.int64)
        self._class = np.empty(0, np.int64)
        self._class_weight = np.empty(0)
        self._hits = np.empty(0, np.int64)
        self._best = np.empty(0)  # score
        self.at_s = float("-inf")
        """When the latest picture was captured."""
        self._next = 1
        self.dropped = 0
        """Tracks that were given up for want of places."""

    def __len__(self) -> int:
        """Tracks that count, among them those that are looked for."""
        return int(np.count_nonzero(self._counts))

    @property
    def _counts(self) -> NDArray[np.bool_]:
        mask: NDArray[np.bool_] = (self._hits >= self._settings.min_hits) & (
            self._best >= _LEAST_SCORE
        )
        return mask

    def update(self, at_s: float, boxes: Sequence[Box]) -> TrackedPicture:
        """The tracks of a picture's boxes; `at_s` is when it was captured.

        An older picture than the latest, as devices may answer out of order, gets ids and changes
        nothing.
        """
        order = sorted(range(len(boxes)), key=lambda i: -boxes[i][1])[:MAX_BOXES]
        values = np.array([boxes[i] for i in order], np.float64).reshape(-1, 6)
        if not np.isfinite(values).all():
            values = np.nan_to_num(values, nan=0.0, posinf=1.0, neginf=0.0)
        gone: list[int] = []
        if at_s < self.at_s - MAX_REORDERING_S:
            gone += self._keep(np.zeros(len(self._id), np.bool_))
            self.at_s = float("-inf")
        is_old = at_s <= self.at_s
        if not is_old:
            gone += self.expire(at_s)
        found = self._match(at_s, values)
        ids: list[int | None] = [None] * len(boxes)
        if is_old:
            for column, row in found.items():
                ids[order[column]] = int(self._id[row])
            return TrackedPicture(ids)
        self.at_s = at_s
        if found:
            rows = np.fromiter(found.values(), np.intp, len(found))
            self._update(rows, at_s, values[list(found)])
        found |= self._start(at_s, values, found)
        gone += self._make_room()
        for column, row in found.items():
            ids[order[column]] = int(row)
        return TrackedPicture(ids, self._seen_now(at_s), gone)

    def expire(self, now_s: float) -> list[int]:
        """Give up tracks that have not been seen for too long; the ids of those that counted."""
        counts = self._counts
        patience = np.where(counts, self._settings.lost_s, min(TENTATIVE_S, self._settings.lost_s))
        return self._keep(now_s - self._motion.at_s <= patience)

    def _match(self, at_s: float, values: Floats) -> dict[int, int]:
        """Row of its track by box, of boxes that have one."""
        found: dict[int, int] = {}
        if not len(self._id) or not len(values):
            return found
        expected = to_corners(self._motion.places_at(at_s))
        corners = values[:, 2:]
        other_class = self._class[:, None] != values[None, :, 0]
        similarity = overlaps(expected, corners) - _OTHER_CLASS * other_class
        counts, high = self._counts, values[:, 1] >= self._settings.high_score
        free_rows = np.ones(len(self._id), np.bool_)
        free = np.ones(len(values), np.bool_)

        def pair(
            table: Floats, rows: NDArray[np.bool_], which: NDArray[np.bool_], least: float
        ) -> None:
            some, those = np.flatnonzero(rows & free_rows), np.flatnonzero(which & free)
            if not len(some) or not len(those):
                return
            for one, other in assign(table[np.ix_(some, those)], least):
                row, column = int(some[one]), int(those[other])
                found[column] = row
                free_rows[row] = free[column] = False

        pair(similarity, counts, high, _LEAST_HIGH)
        if free.any():  # mostly all have been found
            pair(similarity, counts, ~high, _LEAST_LOW)
            pair(similarity, ~counts, free, _LEAST_HIGH)
        if free.any() and free_rows.any():
            larger = overlaps(grown(expected, _GROWTH), grown(corners, _GROWTH))
            recent = at_s - self._motion.at_s <= RECENT_S
            pair(np.where(other_class, 0.0, larger), recent, free, _LEAST_GROWN)
        return found

    def _update(self, rows: NDArray[np.intp], at_s: float, values: Floats) -> None:
        self._motion.update(rows, at_s, to_places(values[:, 2:]))
        self._hits[rows] += 1
        self._best[rows] = np.maximum(self._best[rows], values[:, 1])
        classes, scores = values[:, 0].astype(np.int64), values[:, 1]
        same = classes == self._class[rows]
        weight = _CLASS_MEMORY * self._class_weight[rows] + np.where(same, scores, -scores)
        self._class[rows] = np.where(weight < 0.0, classes, self._class[rows])
        self._class_weight[rows] = np.abs(weight)

    def _start(self, at_s: float, values: Floats, found: dict[int, int]) -> dict[int, int]:
        """Ids by box: of all boxes of the picture, those without a track being of new ones."""
        ids = {column: int(self._id[row]) for column, row in found.items()}
        new: list[int] = []
        if left := [column for column in range(len(values)) if column not in found]:
            same = overlaps(values[left, 2:], values[:, 2:]) >= _SAME_THING
            same &= values[left, 0][:, None] != values[None, :, 0]
            for column, twins in zip(left, same, strict=True):
                twin = next((ids[i] for i in np.flatnonzero(twins).tolist() if i in ids), None)
                if twin is None:
                    new.append(column)
                    twin, self._next = self._next, self._next + 1
                ids[column] = twin
        if new:
            some = values[new]
            self._motion.append(Motion.of(at_s, to_places(some[:, 2:])))
            self._id = np.append(self._id, [ids[column] for column in new])
            self._class = np.append(self._class, some[:, 0].astype(np.int64))
            self._class_weight = np.append(self._class_weight, some[:, 1])
            self._hits = np.append(self._hits, np.ones(len(new), np.int64))
            self._best = np.append(self._best, some[:, 1])
        return ids

    def _make_room(self) -> list[int]:
        surplus = len(self._id) - MAX_TRACKS
        if surplus <= 0:
            return []
        self.dropped += surplus
        keep = np.ones(len(self._id), np.bool_)
        keep[np.argsort(self._motion.at_s, kind="stable")[:surplus]] = False
        return self._keep(keep)

    def _keep(self, rows: NDArray[np.bool_]) -> list[int]:
        if rows.all():
            return []
        gone: list[int] = self._id[~rows & self._counts].tolist()
        self._motion.keep(rows)
        for name in ("_id", "_class", "_class_weight", "_hits", "_best"):
            setattr(self, name, getattr(self, name)[rows])
        return gone

    def _seen_now(self, at_s: float) -> list[Track]:
        rows = np.flatnonzero(self._counts & (self._motion.at_s == at_s))
        ids, classes = self._id[rows].tolist(), self._class[rows].tolist()
        places = self._motion.place[rows].tolist()
        return [Track(*each, *place) for *each, place in zip(ids, classes, places, strict=True)]
