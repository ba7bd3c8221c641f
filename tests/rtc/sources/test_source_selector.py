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


@pytest.mark.parametrize(
    ("one_ms", "other_ms"),
    [
        pytest.param((0, 67, 133, 200), (3, 70, 136, 203), id="side by side"),
        pytest.param((0, 67, 133, 200), (62, 72, 138, 205), id="a first one that took long"),
        pytest.param((0, 125, 200, 267), (120, 160, 212, 272), id="a stall"),
        pytest.param((0, 125, 126, 200), (1, 127, 128, 203), id="two at once after a stall"),
    ],
)
def test_layers_with_an_offset_have_the_same_captures(
    one_ms: tuple[int, ...], other_ms: tuple[int, ...]
) -> None:
    """Told by their arrivals, which are nearer to another capture's now and then."""
    sources = SourceSelector([1, 2])
    offset = 100  # frames
    sent = [(at_ms, 1, index) for index, at_ms in enumerate(one_ms)]
    sent += [(at_ms, 2, index + offset) for index, at_ms in enumerate(other_ms)]
    for at_ms, ssrc, number in sorted(sent):
        sources.take(_arrival(ssrc, number, float(at_ms)))
    captures = {sources.capture(1, 6000), sources.capture(2, 6000 * (offset + 1))}
    assert len(captures) == 1
