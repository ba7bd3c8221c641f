"""Tracking ids for the boxes of one camera: what is the same thing from picture to picture.

In the manner of ByteTrack (Zhang et al., ECCV 2022): tracks take the boxes of high score first,
then those of low score, which are mostly things half hidden. What is left is matched once more by
larger boxes (cf. C-BIoU, Yang et al., WACV 2023), for small things that move far between two
pictures at a low frame rate. Times are arguments, and positions fractions of the picture: neither
missing frames nor pictures of another size matter.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from edge.tracking.assignment import assign
from edge.tracking.motion import Motion
from edge.tracking.overlap import Corners, grown, overlaps
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
_ROUNDING_S = 1e-6  # of times that are added up
_CLASS_MEMORY = 0.9  # of what its boxes were called, a box

_FINITE = {math.inf: 1.0, -math.inf: 0.0}

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


@dataclass(slots=True)
class _Seen:
    """A box of the picture."""

    class_index: int
    score: float
    corners: Corners


@dataclass(slots=True, eq=False)
class _Followed:
    """A track, whether or not it counts yet; `best` is a score."""

    id: int
    motion: Motion
    class_index: int
    class_weight: float
    best: float
    hits: int = 1
    counts: bool = False


class Tracker:
    """Tracks of one camera."""

    def __init__(self, settings: TrackingSettings) -> None:
        self._settings = settings
        self._tracks: list[_Followed] = []  # the oldest first
        self.at_s = float("-inf")
        """When the latest picture was captured."""
        self._tentative_s = min(TENTATIVE_S, settings.lost_s)
        self._expires_s = math.inf  # no track expires sooner
        self._next = 1
        self.dropped = 0
        """Tracks that were given up for want of places."""

    def __len__(self) -> int:
        """Tracks that count, among them those that are looked for."""
        return sum(track.counts for track in self._tracks)

    def update(self, at_s: float, boxes: Sequence[Box]) -> TrackedPicture:
        """The tracks of a picture's boxes; `at_s` is when it was captured.

        An older picture than the latest, as devices may answer out of order, gets ids and changes
        nothing.
        """
        order = sorted(range(len(boxes)), key=lambda i: -boxes[i][1])[:MAX_BOXES]
        seen = [_seen(boxes[i]) for i in order]
        gone: list[int] = []
        if at_s < self.at_s - MAX_REORDERING_S:
            gone += self._keep([])
            self.at_s = float("-inf")
        is_old = at_s <= self.at_s
        if not is_old:
            gone += self.expire(at_s)
        found = self._match(at_s, seen)
        ids: list[int | None] = [None] * len(boxes)
        if is_old:
            for column, track in found.items():
                ids[order[column]] = track.id
            return TrackedPicture(ids)
        self.at_s = at_s
        for column, track in found.items():
            self._observe(track, at_s, seen[column])
        for column, number in self._start(at_s, seen, found).items():
            ids[order[column]] = number
        gone += self._make_room()
        return TrackedPicture(ids, self._seen_now(at_s), gone)

    def expire(self, now_s: float) -> list[int]:
        """Give up tracks that have not been seen for too long; the ids of those that counted."""
        if now_s < self._expires_s - _ROUNDING_S:
            return []
        self._expires_s = math.inf
        kept = []
        for track in self._tracks:
            seen_s = track.motion.at_s
            patience_s = self._settings.lost_s if track.counts else self._tentative_s
            if now_s - seen_s <= patience_s:
                kept.append(track)
                self._expires_s = min(self._expires_s, seen_s + patience_s)
        return self._keep(kept)

    def _match(self, at_s: float, seen: Sequence[_Seen]) -> dict[int, _Followed]:
        """Its track by box, of boxes that have one."""
        found: dict[int, _Followed] = {}
        tracks = self._tracks
        if not tracks or not seen:
            return found
        taken: set[int] = set()  # tracks

        def expected(counts: bool) -> list[tuple[int, Corners]]:
            return [
                (row, track.motion.expected(at_s))
                for row, track in enumerate(tracks)
                if track.counts is counts
            ]

        def pair(
            rows: Iterable[tuple[int, Corners]],
            columns: Iterable[tuple[int, Corners]],
            least: float,
            other_class: float = _OTHER_CLASS,
        ) -> None:
            similarity = {}
            for row, column, overlap in overlaps(rows, columns):
                same = tracks[row].class_index == seen[column].class_index
                similar = overlap if same else overlap - other_class
                if similar >= least:
                    similarity[row, column] = similar
            for row, column in assign(similarity):
                found[column] = tracks[row]
                taken.add(row)

        high_score = self._settings.high_score
        boxes = [(column, box.corners) for column, box in enumerate(seen)]
        counting = expected(True)
        pair(counting, [box for box in boxes if seen[box[0]].score >= high_score], _LEAST_HIGH)
        if len(found) == len(seen):  # mostly all have been found
            return found
        counting = [each for each in counting if each[0] not in taken]
        pair(counting, [box for box in boxes if seen[box[0]].score < high_score], _LEAST_LOW)
        tentative = expected(False)
        boxes = [box for box in boxes if box[0] not in found]
        pair(tentative, boxes, _LEAST_HIGH)
        if len(found) == len(seen) or len(taken) == len(tracks):
            return found
        larger = [
            (row, grown(corners, _GROWTH))
            for row, corners in sorted((*counting, *tentative))
            if row not in taken and at_s - tracks[row].motion.at_s <= RECENT_S
        ]
        boxes = [
            (column, grown(corners, _GROWTH)) for column, corners in boxes if column not in found
        ]
        pair(larger, boxes, _LEAST_GROWN, other_class=1.0)  # overlaps no class but its own
        return found

    def _observe(self, track: _Followed, at_s: float, box: _Seen) -> None:
        """The track has this box."""
        track.motion.update(at_s, box.corners)
        track.hits += 1
        track.best = max(track.best, box.score)
        same = box.class_index == track.class_index
        weight = _CLASS_MEMORY * track.class_weight + (box.score if same else -box.score)
        if weight < 0.0:
            track.class_index = box.class_index
        track.class_weight = abs(weight)
        track.counts = self._does_count(track)

    def _does_count(self, track: _Followed) -> bool:
        return track.hits >= self._settings.min_hits and track.best >= _LEAST_SCORE

    def _start(
        self, at_s: float, seen: Sequence[_Seen], found: dict[int, _Followed]
    ) -> dict[int, int]:
        """Ids by box: of all boxes of the picture, those without a track being of new ones."""
        ids = {column: track.id for column, track in found.items()}
        for column, box in enumerate(seen):
            if column in ids:
                continue
            twin = self._twin(box, seen, ids)
            if twin is None:
                track = _Followed(
                    self._next,
                    Motion(at_s, box.corners),
                    box.class_index,
                    class_weight=box.score,
                    best=box.score,
                )
                track.counts = self._does_count(track)
                self._tracks.append(track)
                self._expires_s = min(self._expires_s, at_s + self._tentative_s)
                twin, self._next = self._next, self._next + 1
            ids[column] = twin
        return ids

    @staticmethod
    def _twin(box: _Seen, seen: Sequence[_Seen], ids: dict[int, int]) -> int | None:
        """The id of the same thing under another class."""
        others = [
            (column, other.corners)
            for column, other in enumerate(seen)
            if column in ids and other.class_index != box.class_index
        ]
        if not others:
            return None
        same = overlaps([(0, box.corners)], others)
        return next((ids[column] for _, column, overlap in same if overlap >= _SAME_THING), None)

    def _make_room(self) -> list[int]:
        surplus = len(self._tracks) - MAX_TRACKS
        if surplus <= 0:
            return []
        self.dropped += surplus
        by_age = sorted(self._tracks, key=lambda track: track.motion.at_s)
        longest = {track.id for track in by_age[:surplus]}
        return self._keep([track for track in self._tracks if track.id not in longest])

    def _keep(self, kept: list[_Followed]) -> list[int]:
        """Give up all others; the ids of those that counted."""
        if len(kept) == len(self._tracks):
            return []
        left = {track.id for track in kept}
        gone = [track.id for track in self._tracks if track.counts and track.id not in left]
        self._tracks = kept
        return gone

    def _seen_now(self, at_s: float) -> list[Track]:
        found = []
        for each in self._tracks:
            motion = each.motion
            if each.counts and motion.at_s == at_s:
                x, y = motion.x, motion.y
                found.append(Track(each.id, each.class_index, x.centre, y.centre, x.size, y.size))
        return found


def _seen(box: Box) -> _Seen:
    """A box without what is no number, should a model give that."""
    if not math.isfinite(sum(box)):
        box = [0.0 if math.isnan(value) else _FINITE.get(value, value) for value in box]
    kind, score, x1, y1, x2, y2 = box
    return _Seen(int(kind), score, (x1, y1, x2, y2))
