"""One source is served; the next one takes over from its first packet on."""

from __future__ import annotations

import pytest

from edge.rtc.rtp import ExtensionIds, parse_rtp
from edge.rtc.sources.source import Arrival
from edge.rtc.sources.source_selector import SourceSelector

FRAME_MS = 66.0


def _arrival(ssrc: int, index: int, at_ms: float) -> Arrival:
    head = bytes((0x80, 96)) + index.to_bytes(2, "big") + (6000 * index).to_bytes(4, "big")
    packet = parse_rtp(head + ssrc.to_bytes(4, "big") + b"x", ExtensionIds())
    assert packet is not None
    return Arrival.of(packet, "vp8", at_ms)


def _take(
    sources: SourceSelector, ssrc: int, frames: range, from_ms: float
) -> list[tuple[int, int]]:
    """(source, number) of what is served, with one packet every `FRAME_MS`."""
    served = []
    for place, index in enumerate(frames):
        taken = sources.take(_arrival(ssrc, index, from_ms + FRAME_MS * place))
        served += [(each.packet.ssrc, each.packet.sequence) for each in taken]
    return served


def test_a_source_that_follows_another_is_served_from_its_first_packet_on() -> None:
    sources = SourceSelector()
    assert _take(sources, 1, range(5), 0.0) == [(1, index) for index in range(5)]
    assert _take(sources, 2, range(5), 5 * FRAME_MS) == [(2, index) for index in range(5)]
    assert sources.ssrc == 2


def test_after_a_goodbye_the_next_packet_is_served() -> None:
    sources = SourceSelector()
    _take(sources, 1, range(5), 0.0)
    sources.goodbye([1])
    assert sources.ssrc is None
    assert _take(sources, 2, range(1), 5 * FRAME_MS) == [(2, 0)]


def test_of_two_that_send_side_by_side_the_first_is_served() -> None:
    sources = SourceSelector()
    served = []
    for index in range(100):
        served += _take(sources, 1, range(index, index + 1), index * FRAME_MS)
        served += _take(sources, 2, range(index, index + 1), index * FRAME_MS + 1.0)
    assert served == [(1, index) for index in range(100)]


@pytest.mark.parametrize("run", [8, 15, 40])
def test_sources_that_alternate_lose_nothing(run: int) -> None:
    sources, served, at_ms = SourceSelector(), [], 0.0
    for turn in range(6):
        first = run * (turn // 2)
        served += _take(sources, 1 + turn % 2, range(first, first + run), at_ms)
        at_ms += run * FRAME_MS
    assert len(served) == 6 * run
    assert served == sorted(served, key=lambda each: (each[1] // run, each[0], each[1]))


def test_what_waits_is_bounded() -> None:
    sources = SourceSelector()
    sources.take(_arrival(1, 0, 0.0))
    for index in range(2000):
        sources.take(_arrival(1, index, 1.0))
        sources.take(_arrival(2, index, 1.0))
    assert len(sources.take(_arrival(2, 2000, 1000.0))) <= 256
