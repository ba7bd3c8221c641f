"""When a sender's marker is trusted, and what tells a frame's end meanwhile."""

from __future__ import annotations

from collections.abc import Sequence

from edge.rtc.jitter.frame_end import BROKEN_OFF_MS, FrameEnd
from edge.rtc.jitter.frames import Assembly
from edge.rtc.jitter.payloads.payload import Payload

_BYTES = 100


def _frame(slices: Sequence[int], marks: Sequence[int], size: int = _BYTES) -> Assembly:
    """A frame with a packet for each slice, by first macroblock; `marks` by index."""
    frame = Assembly(1, 0.0, 0.0)
    for index, at in enumerate(slices):
        frame.add(index, Payload(bytes(size), True, False, False, True, slice_at=at))
    frame.marks += marks
    return frame


def test_a_marker_on_the_last_slice_ends_a_frame_at_once() -> None:
    assert FrameEnd().hint(_frame([0, 40], [1])) == 1
    assert FrameEnd().hint(_frame([0, 40], [])) is None


def test_a_marker_before_more_of_the_picture_is_not_trusted_any_more() -> None:
    ends = FrameEnd()
    frame = _frame([0, 40], [0])
    ends.observe_marker(frame)
    assert not ends.trusts_marker
    assert ends.hint(_frame([0], [0])) is None


def test_a_marker_on_parameter_sets_alone_ends_nothing() -> None:
    ends = FrameEnd()
    frame = Assembly(1, 0.0, 0.0)
    frame.add(0, Payload(b"sps", True, True, False, False, picture=False))
    frame.marks.append(0)
    ends.observe_marker(frame)
    assert ends.hint(frame) is None
    assert not ends.trusts_marker  # it may be on everything


def test_it_is_trusted_again_after_frames_enough_and_later_after_each_relapse() -> None:
    ends = FrameEnd()
    needed = []
    for _ in range(3):
        ends.observe_end(_frame([0], []))
        count = 0
        while not ends.trusts_marker:
            ends.observe_end(_frame([0], [0]))
            count += 1
        needed.append(count)
        ends.disprove()
    assert needed == [30, 60, 120]


def test_a_constant_layout_tells_the_end_without_a_marker() -> None:
    ends = FrameEnd()
    for _ in range(5):
        ends.observe_end(_frame([0, 40, 80], []))
    assert ends.hint(_frame([0, 40], [])) is None
    assert ends.hint(_frame([0, 40, 80], [])) == 2
    assert ends.hint(_frame([0, 40, 80], [], size=2 * _BYTES)) is None  # there may be more of it
    last_open = _frame([0, 40, 80], [])
    last_open.packets[2].closed = False  # fragments are to come
    assert ends.hint(last_open) is None


def test_a_layout_that_changes_is_believed_later_each_time() -> None:
    ends = FrameEnd()
    counts = []
    for at in (40, 60, 80):
        count = 0
        while ends.hint(_frame([0, at], [])) is None:
            ends.observe_end(_frame([0, at], []))
            count += 1
        counts.append(count)
    assert counts == [5, 10, 20]


def test_silence_ends_a_frame_only_where_no_marker_is_due() -> None:
    ends = FrameEnd()
    assert ends.silence_ms(66.0) == BROKEN_OFF_MS
    ends.disprove()
    assert ends.silence_ms(66.0) == 99.0
    assert ends.silence_ms(5.0) == 50.0
    assert ends.silence_ms(float("inf")) == 1000.0
