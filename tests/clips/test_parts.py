"""Where a clip is cut into files."""

from __future__ import annotations

import pytest

from edge.clips.frame import ClipFrame
from edge.clips.parts import MAX_PARTS, PartSplitter
from tests.clips.frames import frame


def places(*frames: ClipFrame) -> list[tuple[int, int] | None]:
    splitter = PartSplitter()
    found = [splitter.place(each) for each in frames]
    return [None if each is None else (each.part, each.ticks) for each in found]


def test_timestamps_count_from_the_first_frame_and_over_the_wrap() -> None:
    first = (1 << 32) - 1000
    assert places(frame(0, entry=True, rtp=first), frame(33, rtp=2000), frame(99, rtp=8000)) == [
        (1, 0),
        (1, 3000),
        (1, 9000),
    ]


def test_what_comes_before_a_key_frame_is_of_no_use() -> None:
    assert places(frame(0), frame(10), frame(20, entry=True)) == [None, None, (1, 0)]


@pytest.mark.parametrize(
    "other", [{"width": 320}, {"codec": "h264"}, {"header": b"another set"}], ids=str
)
def test_another_format_begins_a_part_with_a_clock_of_its_own(other: dict[str, object]) -> None:
    key = frame(200, entry=True, **other)  # type: ignore[arg-type]
    assert places(frame(0, entry=True), frame(100), key, frame(250)) == [
        (1, 0), (1, 9000), (2, 0), (2, 4500),
    ]  # fmt: skip


def test_a_key_frame_of_the_same_format_does_not() -> None:
    assert places(frame(0, entry=True), frame(100, entry=True)) == [(1, 0), (1, 9000)]


@pytest.mark.parametrize("jump", [-(1 << 31), -900_000, 900_000, 1 << 30])
def test_another_clock_begins_a_part_with_its_next_key_frame(jump: int) -> None:
    there = 9_000_000 + jump
    assert places(
        frame(0, entry=True, rtp=9_000_000),
        frame(100, rtp=(there + 9000) % (1 << 32)),
        frame(150, rtp=(there + 13_500) % (1 << 32)),
        frame(200, entry=True, rtp=(there + 18_000) % (1 << 32)),
        frame(250, rtp=(there + 22_500) % (1 << 32)),
    ) == [(1, 0), None, None, (2, 0), (2, 4500)]


def test_a_stalled_link_is_no_other_clock() -> None:
    stalled = [frame(9000 + number, rtp=90 * 100 * number) for number in range(1, 80)]
    later = [
        frame(9000 + 8000 + 100 * number, rtp=90 * (16_000 + 100 * number)) for number in (1, 2)
    ]
    found = places(frame(0, entry=True, rtp=0), *stalled, *later)
    assert {each and each[0] for each in found} == {1}
    assert found[-1] == (1, 90 * 16_200)


def test_pictures_out_of_order_keep_their_times() -> None:
    """B-frames: the order is that of decoding, the times are those of display."""
    assert places(
        frame(0, entry=True, rtp=0), frame(10, rtp=9000), frame(20, rtp=3000), frame(30, rtp=6000)
    ) == [(1, 0), (1, 9000), (1, 3000), (1, 6000)]


def test_pictures_that_lead_a_key_frame_refer_to_what_is_not_there() -> None:
    assert places(frame(0, entry=True, rtp=9000), frame(10, rtp=6000), frame(20, rtp=12_000)) == [
        (1, 0), None, (1, 3000),
    ]  # fmt: skip


def test_a_size_that_never_stays_makes_no_more_than_so_many_parts() -> None:
    found = places(*(frame(10 * each, entry=True, width=100 + each) for each in range(100)))
    assert [each and each[0] for each in found] == [*range(1, MAX_PARTS + 1)] + [None] * (
        100 - MAX_PARTS
    )
