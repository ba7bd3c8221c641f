"""Ids that stay with things: over missing frames, sizes, crossings, other classes."""

from __future__ import annotations

import math
import random

import pytest

from edge.tracking.settings import TrackingSettings
from edge.tracking.tracker import MAX_BOXES, MAX_REORDERING_S, MAX_TRACKS, TENTATIVE_S, Tracker
from tests.tracking.moving import Box, box, pictures

SETTINGS = TrackingSettings(on=True)


def ids_of(tracker: Tracker, sequence: list[tuple[float, list[Box]]]) -> list[list[int | None]]:
    return [tracker.update(at_s, boxes).ids for at_s, boxes in sequence]


def right(at_s: float) -> Box:
    return box(0.1 + 0.1 * at_s, 0.5)


def left(at_s: float) -> Box:
    return box(0.9 - 0.1 * at_s, 0.55)


def test_ids_stay_and_begin_with_one() -> None:
    ids = ids_of(Tracker(SETTINGS), pictures([right, left], 3.0))
    assert ids == [[1, 2]] * 30


def test_the_order_of_the_boxes_does_not_matter() -> None:
    tracker = Tracker(SETTINGS)
    rng = random.Random(1)
    tracker.update(0.0, [right(0.0), left(0.0)])
    for at_s, boxes in pictures([right, left], 3.0)[1:]:
        order = rng.sample([0, 1], 2)
        assert tracker.update(at_s, [boxes[i] for i in order]).ids == [1 + i for i in order]


@pytest.mark.parametrize("fps", [2.5, 5, 15, 30])
def test_ids_stay_at_any_frame_rate(fps: float) -> None:
    ids = ids_of(Tracker(SETTINGS), pictures([right, left], 3.0, fps))
    assert ids == [[1, 2]] * len(ids)


def test_ids_stay_over_frames_that_are_missing() -> None:
    rng = random.Random(2)
    sequence = [each for each in pictures([right, left], 7.0, 15) if rng.random() < 0.5]
    assert ids_of(Tracker(SETTINGS), sequence) == [[1, 2]] * len(sequence)


def test_ids_stay_while_something_is_hidden_for_a_second() -> None:
    def hidden(at_s: float) -> Box | None:
        return None if 2.0 <= at_s < 3.0 else right(at_s)

    tracker = Tracker(SETTINGS)
    ids = ids_of(tracker, pictures([hidden], 4.0))
    assert ids[-1] == [1]
    assert tracker.update(20.0, [right(4.0)]).ids == [2]  # but not for ever


def test_two_that_pass_each_other_keep_their_ids() -> None:
    """At 4 s both are at the same place but for a little, and one box hides the other."""

    def behind(at_s: float) -> Box | None:
        return None if abs(at_s - 4.0) < 0.25 else left(at_s)

    ids = ids_of(Tracker(SETTINGS), pictures([right, behind], 8.0, 15))
    assert ids[0] == ids[-1] == [1, 2]


def test_a_weak_box_continues_a_track() -> None:
    def weak(at_s: float) -> Box:
        return (*right(at_s)[:1], 0.9 if at_s < 1 else 0.26, *right(at_s)[2:])

    assert ids_of(Tracker(SETTINGS), pictures([weak], 3.0)) == [[1]] * 30


def test_a_thing_that_is_called_otherwise_for_some_frames_is_the_same() -> None:
    def van(at_s: float) -> Box:
        found = right(at_s)
        return (1 if 1.0 <= at_s < 1.3 else 0, *found[1:])

    tracker = Tracker(SETTINGS)
    for at_s, boxes in pictures([van], 3.0):
        picture = tracker.update(at_s, boxes)
        assert picture.ids == [1]
    assert [track.class_index for track in picture.tracks] == [0]


def test_two_classes_over_one_thing_are_one_track() -> None:
    """Suppression is by class: a detector may call one thing car and truck."""

    def twin(at_s: float) -> Box:
        _, _, *corners = right(at_s)
        return (1, 0.6, *corners)  # type: ignore[return-value]

    tracker = Tracker(SETTINGS)
    for at_s, boxes in pictures([right, twin], 2.0):
        picture = tracker.update(at_s, boxes)
        assert picture.ids == [1, 1]
    assert [track.id for track in picture.tracks] == [1]


def test_a_rider_is_not_the_bicycle() -> None:
    def bicycle(at_s: float) -> Box:
        return box(0.1 + 0.1 * at_s, 0.56, width=0.07, height=0.12, kind=1)

    assert ids_of(Tracker(SETTINGS), pictures([right, bicycle], 2.0))[-1] == [1, 2]


def test_what_flashes_up_does_not_count() -> None:
    tracker = Tracker(SETTINGS)
    seen = [tracker.update(at_s, boxes) for at_s, boxes in pictures([right], 0.2)]
    assert [len(picture.tracks) for picture in seen] == [0, 0]
    assert tracker.update(TENTATIVE_S + 1.0, []).gone == []
    assert len(tracker) == 0


def test_a_lost_track_is_told_once() -> None:
    tracker = Tracker(SETTINGS)
    ids_of(tracker, pictures([right], 1.0))
    assert tracker.update(1.5, []).gone == []
    assert tracker.update(3.0, []).gone == [1]
    assert tracker.update(3.1, []).gone == []


def test_a_late_answer_gets_ids_and_changes_nothing() -> None:
    tracker, undisturbed = Tracker(SETTINGS), Tracker(SETTINGS)
    sequence = pictures([right, left], 2.0)
    for at_s, boxes in sequence:
        tracker.update(at_s, boxes)
        undisturbed.update(at_s, boxes)
    late = tracker.update(1.85, [left(1.85), right(1.85), box(0.5, 0.1)])
    assert late.ids == [2, 1, None]
    assert late.tracks == []
    after = tracker.update(2.0, [right(2.0), left(2.0)])
    assert after == undisturbed.update(2.0, [right(2.0), left(2.0)])


def test_a_clock_that_was_set_back_begins_anew() -> None:
    tracker = Tracker(SETTINGS)
    ids_of(tracker, [(at_s + 1000.0, boxes) for at_s, boxes in pictures([right], 1.0)])
    assert tracker.update(1000.9 - MAX_REORDERING_S - 1.0, [right(0.0)]).gone == [1]
    assert ids_of(tracker, pictures([right], 1.0))[-1] == [3]


def test_state_is_bounded_whatever_comes() -> None:
    rng = random.Random(3)
    tracker = Tracker(TrackingSettings(on=True, lost_s=30, min_hits=1))
    for index in range(60):
        boxes = [
            box(rng.random(), rng.random(), width=0.01, height=0.01, kind=rng.randrange(80))
            for _ in range(MAX_BOXES + 20)
        ]
        ids = tracker.update(index / 100, boxes).ids
        assert sum(each is None for each in ids) == 20
        assert len(tracker) <= MAX_TRACKS
    assert tracker.dropped > 0


def test_boxes_that_are_none_harm_nothing() -> None:
    tracker = Tracker(SETTINGS)
    bad = [
        (0, math.nan, 0.1, 0.1, 0.2, 0.2),
        (0, 0.9, math.inf, 0.1, 0.0, 0.2),
        (0, 0.9, 1, 1, 0, 0),
    ]
    for index in range(10):
        picture = tracker.update(index / 10, [*bad, right(index / 10)])
    assert picture.ids[-1] is not None
    assert all(math.isfinite(track.x + track.width) for track in picture.tracks)
