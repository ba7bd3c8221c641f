"""Which events make a clip, how long it is, and what of the session is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge.clips.frame import ClipFrame
from edge.clips.recorder import MAX_EVENTS, Clip, ClipRecorder
from edge.clips.settings import ClipSettings
from tests.clips.frames import frame

CROSSED = {"type": "line_crossed", "line": "door", "class": "person"}


class Kept:
    """Takes clips, unless it is `full`."""

    def __init__(self) -> None:
        self.full = False
        self.frames: dict[str, list[float]] = {}
        self.finished: list[Clip] = []

    def begin(self, clip: Clip) -> bool:
        if not self.full:
            self.frames[clip.name] = []
        return not self.full

    def write(self, clip: Clip, frame: ClipFrame) -> None:
        self.frames[clip.name].append(frame.received_ms / 1000.0)

    def finish(self, clip: Clip) -> None:
        self.finished.append(clip)


def recorder(kept: Kept, **settings: Any) -> ClipRecorder:
    its = {"folder": Path("clips"), "before_s": 3, "after_s": 2, "max_s": 10, **settings}
    return ClipRecorder(ClipSettings(**its), "5f3a9c", kept)


def feed(to: ClipRecorder, first: int, last: int, keys: tuple[int, ...] = (0,)) -> None:
    """A frame each second."""
    for second in range(first, last + 1):
        to.add(frame(1000 * second, entry=second in keys))


def test_a_clip_has_what_was_before_and_after_its_event() -> None:
    kept = Kept()
    me = recorder(kept)
    feed(me, 0, 10, keys=(0, 4, 6, 9))
    name = me.trigger(CROSSED, "gate", 10_000.0, 1_764_528_591.5)
    feed(me, 11, 14, keys=())
    assert name == "20251130T184951.500Z-gate-5f3a9c-line_crossed"
    assert kept.frames == {name: [6, 7, 8, 9, 10, 11, 12]}
    [clip] = kept.finished
    assert clip.events == [{**CROSSED, "at": 1_764_528_591.5}]


def test_events_that_follow_make_it_longer_up_to_its_limit() -> None:
    kept = Kept()
    me = recorder(kept)
    feed(me, 0, 10, keys=(0, 9))
    names = set()
    for second in range(10, 20):
        names.add(me.trigger(CROSSED, "gate", 1000.0 * second, float(second)))
        feed(me, second + 1, second + 1)
    assert len(names) == 1
    feed(me, 21, 30, keys=())
    [clip] = kept.finished
    assert kept.frames[clip.name][-1] == 20
    assert len(clip.events) == 10
    assert me.trigger(CROSSED, "gate", 30_000.0, 30.0) not in names


def test_it_ends_without_frames_and_with_its_session() -> None:
    kept = Kept()
    me = recorder(kept)
    feed(me, 0, 1)
    me.trigger(CROSSED, "", 1000.0, 1.0)
    me.tick(2900.0)
    assert not kept.finished
    me.tick(3100.0)
    assert len(kept.finished) == 1
    me.trigger(CROSSED, "", 4000.0, 4.0)
    me.end()
    me.end()
    assert len(kept.finished) == 2


def test_a_full_writer_makes_no_clip() -> None:
    kept = Kept()
    kept.full = True
    me = recorder(kept)
    assert me.trigger(CROSSED, "", 0.0, 0.0) is None
    feed(me, 0, 3)
    me.end()
    assert (kept.frames, kept.finished) == ({}, [])


def test_the_events_that_a_clip_names_are_bounded() -> None:
    kept = Kept()
    me = recorder(kept)
    for number in range(MAX_EVENTS + 7):
        me.trigger(CROSSED, "", float(number), 0.0)
    me.end()
    [clip] = kept.finished
    assert (len(clip.events), clip.more_events) == (MAX_EVENTS, 7)


@pytest.mark.parametrize(
    ("settings", "label", "event", "wanted"),
    [
        ({}, "gate", CROSSED, True),
        ({"events": ["rule_on"]}, "gate", CROSSED, False),
        ({"labels": ["gate"]}, "gate", CROSSED, True),
        ({"labels": ["gate"]}, "yard", CROSSED, False),
        ({"names": ["door"]}, "gate", CROSSED, True),
        ({"names": ["fence"]}, "gate", CROSSED, False),
        ({"classes": ["person"]}, "gate", CROSSED, True),
        ({"classes": ["car"]}, "gate", CROSSED, False),
        ({"classes": ["car"]}, "gate", {"type": "rule_on", "rule": "r", "zone": "z"}, True),
        ({"names": ["z"]}, "gate", {"type": "rule_on", "rule": "r", "zone": "z"}, False),
        ({}, "gate", {"type": "zone_left", "zone": "z", "class": "car"}, False),
    ],
)
def test_which_events_are_wanted(
    settings: dict[str, Any], label: str, event: dict[str, Any], wanted: bool
) -> None:
    assert recorder(Kept(), **settings).wants(event, label) is wanted


def test_a_key_frame_is_asked_for_now_and_then() -> None:
    me = recorder(Kept(), keyframe_s=4)
    assert me.keyframe_due(0.0), "there is none"
    assert not me.keyframe_due(100.0), "it has just been asked for"
    feed(me, 1, 7, keys=(1,))
    assert me.keyframe_due(7000.0)
    feed(me, 8, 11, keys=(8,))
    assert not me.keyframe_due(11_000.0)


def test_a_key_frame_is_asked_for_before_the_ring_is_full() -> None:
    me = recorder(Kept(), keyframe_s=4, ring_bytes=100_000)
    me.add(frame(0, entry=True, size=40_000))
    assert not me.keyframe_due(10.0)
    me.add(frame(20, size=20_000))
    assert me.keyframe_due(30.0)
