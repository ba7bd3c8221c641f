"""What a session's ring keeps, and what it drops."""

from __future__ import annotations

import itertools

from edge.clips.ring import EncodedRing
from tests.clips.frames import frame


def ring(**more: int) -> EncodedRing:
    return EncodedRing(**{"keep_ms": 5000, "max_ms": 20_000, "max_bytes": 10_000, **more})


def test_begins_with_the_last_key_frame_before_the_wanted_time() -> None:
    kept = ring()
    for second in range(12):
        kept.add(frame(1000 * second, entry=second in (0, 2, 6, 9)))
    assert [each.received_ms for each in kept.since(7500)] == [6000, 7000, 8000, 9000, 10000, 11000]
    assert kept.since(6000)[0].received_ms == 6000
    assert kept.since(5999)[0].received_ms == 6000, (
        "the group of second 2 ended before the last 5 s"
    )
    assert kept.since(99_000)[0].received_ms == 9000


def test_keeps_nothing_before_the_first_key_frame() -> None:
    kept = ring()
    kept.add(frame(0))
    assert not kept.since(0)
    assert kept.newest_entry_ms is None


def test_bytes_are_bounded_whatever_comes() -> None:
    for sizes, entries in itertools.product([(100,), (3000, 50), (20_000,)], [1, 3, 1000]):
        kept = ring()
        for number in range(200):
            kept.add(frame(number, entry=number % entries == 0, size=sizes[number % len(sizes)]))
            assert kept.bytes == sum(len(each.data) for each in kept.since(0))
            assert kept.bytes <= 10_000
            assert not len(kept) or kept.since(0)[0].is_entry


def test_a_group_that_outgrows_the_ring_goes_as_a_whole() -> None:
    kept = ring()
    for number in range(11):
        kept.add(frame(number, entry=number == 0, size=1000))
    assert (len(kept), kept.bytes, kept.outgrown) == (0, 0, 1)
    kept.add(frame(12))
    assert not len(kept)
    kept.add(frame(13, entry=True))
    assert len(kept) == 1


def test_a_sender_without_key_frames_is_bounded_in_time() -> None:
    kept = ring()
    for second in range(22):
        kept.add(frame(1000 * second, entry=second == 0))
    assert not len(kept)
