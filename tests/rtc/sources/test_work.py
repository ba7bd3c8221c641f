"""What a packet costs is bounded, whatever a publisher sends, in instructions and not in time."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from edge.rtc.rtp import RtpPacket
from edge.rtc.sources.source import Arrival, Source
from edge.rtc.sources.source_selector import SourceSelector

_VP8_DELTA = b"\x10\x11" + bytes(5)
_VP8_REST = b"\x00\x01\x02"
_PLAIN = 1200  # instructions for a packet that waits; one for each of 256 that wait is far more


def _steps(work: Callable[[], object]) -> int:
    """Instructions of the interpreter that run."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(None)
    return count


def _arrival(
    ssrc: int,
    sequence: int,
    rtp: int,
    payload: bytes,
    at_ms: float,
    *,
    marker: bool = False,
    codec: str = "vp8",
) -> Arrival:
    packet = RtpPacket(97, marker, sequence & 0xFFFF, rtp, ssrc, payload, len(payload))
    return Arrival.of(packet, codec, at_ms)


def _vp8_key(width: int) -> bytes:
    return b"\x10\x10\x02\x00\x9d\x01\x2a" + width.to_bytes(2, "little") + b"\x24\x00" + bytes(4)


def _sets(size: int, count: int) -> list[bytes]:
    """Sequence parameter sets, each with another content and scaling lists for all it holds."""
    head = bytes((0x67, 100, 0, 31, 0b10101101))
    rest = b"\xff" * (size - len(head) - 2)
    return [head + rest + index.to_bytes(2, "big") for index in range(count)]


@pytest.mark.parametrize("size", [8, 24, 64, 500])
@pytest.mark.parametrize("bytes_", [1180, 65_000])
def test_a_packet_of_parameter_sets_costs_as_much_as_one_of_them(size: int, bytes_: int) -> None:
    def aggregate(units: list[bytes]) -> Arrival:
        payload = b"\x78" + b"".join(len(unit).to_bytes(2, "big") + unit for unit in units)
        return _arrival(1, 1, 9000, payload, 0.0, codec="h264")

    def note(arrival: Arrival) -> object:
        source = Source(1)
        source.note(arrival)
        return source.long_side

    units = _sets(size, bytes_ // (size + 2))
    one, many = aggregate(units[-1:]), aggregate(units)
    assert _steps(lambda: note(many)) < _steps(lambda: note(one)) + 8 * _PLAIN


def test_a_repeated_parameter_set_is_read_once() -> None:
    source, [unit] = Source(1), _sets(500, 1)

    def note() -> object:
        payload = b"\x78" + len(unit).to_bytes(2, "big") + unit
        source.note(_arrival(1, 1, 9000, payload, 0.0, codec="h264"))
        return source.long_side

    assert _steps(note) > 10 * _PLAIN
    assert _steps(note) < _PLAIN


def _asked() -> tuple[SourceSelector, float]:
    """Layer 1 is served, a key frame of layer 2 awaited; and the time."""
    sources, at_ms = SourceSelector([1, 2]), 0.0
    sources.wanted_long_side = 4000
    sources.take(_arrival(1, 0, 0, _vp8_key(64), at_ms, marker=True))
    sources.take(_arrival(2, 0, 0, _vp8_key(640), at_ms))
    for index in range(1, 100):
        at_ms += 33.0
        for ssrc in (1, 2):
            sources.take(_arrival(ssrc, 5 * index, 3000 * index, _VP8_DELTA, at_ms, marker=True))
        sources.keyframe_due(at_ms)
    assert sources.ssrc == 1
    return sources, at_ms


def _sampled(sources: SourceSelector, arrival: Arrival, index: int) -> list[int]:
    """Take a packet; what it costs, for one of 50."""
    if index % 50 == 49:
        return [_steps(lambda: sources.take(arrival))]
    sources.take(arrival)
    return []


@pytest.mark.parametrize("rest", [_VP8_REST, _vp8_key(640), b"\x10", b""])
@pytest.mark.parametrize("served_goes_on", [True, False])
def test_a_packet_costs_the_same_however_many_wait(rest: bytes, *, served_goes_on: bool) -> None:
    sources, at_ms = _asked()
    rtp, cost = 900_000, list[int]()
    sources.take(_arrival(2, 1000, rtp, _vp8_key(640), at_ms))
    for index in range(2040):
        at_ms += 0.2
        if served_goes_on and index % 100 == 0:
            packet = _arrival(1, 1000 + index, rtp + index, _VP8_DELTA, at_ms, marker=True)
            sources.take(packet)
        packet = _arrival(2, 1002 + index, rtp, rest, at_ms, marker=True)
        cost += _sampled(sources, packet, index)
    assert sources.ssrc == 1
    assert max(cost) < _PLAIN


def test_one_timestamp_of_a_source_that_is_no_layer() -> None:
    sources, cost = SourceSelector(), list[int]()
    sources.take(_arrival(1, 0, 0, _vp8_key(64), 0.0, marker=True))
    for index in range(1000):
        packet = _arrival(2, index, 7, _VP8_REST, 200.0 + 0.1 * index)
        cost += _sampled(sources, packet, index)
    assert max(cost) < _PLAIN
