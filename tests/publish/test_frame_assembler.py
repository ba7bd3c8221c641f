"""Frames from parts, without a parser's frame of delay."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.publish.media.frame_assembler import LULL_MS, AssembledFrame, FrameAssembler

FULL, LAST = b"f" * 1400, b"l" * 300


def test_a_frame_ends_with_the_next_ones_first_part() -> None:
    assembler = FrameAssembler()
    assert assembler.add(FULL, 0.0, 10.0, None) is None
    assert assembler.add(LAST, 0.0, 11.0, 5.0) is None
    assert assembler.add(LAST, 66.0, 77.0, None) == AssembledFrame(FULL + LAST, 0.0, 11.0, 5.0)
    assert assembler.end() == AssembledFrame(LAST, 66.0, 77.0, None)
    assert assembler.end() is None


def test_a_silence_ends_a_frame_after_its_last_part_and_never_after_a_full_one() -> None:
    assembler = FrameAssembler()
    due_ms = [assembler.due_ms]
    for part, at_ms in ((FULL, 10.0), (LAST, 12.0)):
        assembler.add(part, 0.0, at_ms, None)
        due_ms.append(assembler.due_ms)
    assembler.end()
    assembler.add(b"a whole small frame", 66.0, 80.0, None)
    assert [*due_ms, assembler.due_ms] == [None, None, 12.0 + LULL_MS, 80.0 + LULL_MS]


def test_the_silence_grows_with_a_camera_that_sends_slice_by_slice() -> None:
    assembler = FrameAssembler()
    waits_ms = []
    for frame in range(3):  # its second slice comes 8 ms after the first
        at_ms = 66.0 * frame
        assembler.add(LAST, at_ms, at_ms, None)
        due_ms = assembler.due_ms
        assert due_ms is not None
        waits_ms.append(due_ms - at_ms)
        if at_ms + 8.0 > due_ms:
            assembler.end()
        assembler.add(LAST, at_ms, at_ms + 8.0, None)
        assembler.end()
    assert waits_ms == [LULL_MS, 12.0, 12.0]


@given(st.lists(st.lists(st.binary(min_size=1, max_size=1500), min_size=1, max_size=4), max_size=8))
def test_no_byte_is_lost_and_none_moves_to_another_frame(frames: list[list[bytes]]) -> None:
    assembler = FrameAssembler()
    ended = [
        assembler.add(part, 66.0 * number, 66.0 * number, None)
        for number, parts in enumerate(frames)
        for part in parts
    ]
    ended.append(assembler.end())
    assert [each.data for each in ended if each is not None] == [b"".join(p) for p in frames]
