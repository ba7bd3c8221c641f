"""Transport-wide congestion control feedback: when each packet came, told to its sender.

The alternative to our own rate control: the sender's own estimator decides. The packet's number is
a header extension, the feedback is RTPFB format 15: sections 2 and 3.1 of
draft-holmer-rmcat-transport-wide-cc-extensions-01. Pure: times in ms are arguments.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from edge.rtc.rtp import TRANSPORT_FEEDBACK, rtcp
from edge.rtc.unwrapper import signed_difference

EVERY_MS = 50.0  # between two feedbacks
FORMAT = 15
TICK_MS = 0.25  # of receive deltas
_REFERENCE_TICKS = 256  # deltas in one step of the reference time, 64 ms
_MAX_STATUSES = 1000  # in one message, so that it fits a datagram; what is older is left out
_LOST, _SMALL, _LARGE = 0, 1, 2
_RUN = 7  # statuses in a vector chunk of two bits each
_MAX_RUN = 0x1FFF


@dataclass(frozen=True, slots=True)
class TransportFeedback:
    """One message, read back: the first packet's number and each one's arrival, None if lost.

    Times in ms on the receiver's clock, modulo 2**24 steps of 64 ms.
    """

    count: int
    first: int
    arrivals_ms: tuple[float | None, ...]


class PacketArrivals:
    """Packets by their transport-wide number, until the next feedback; bounded."""

    def __init__(self) -> None:
        self._arrived: dict[int, float] = {}  # by unwrapped number
        self._next: int | None = None  # the first number that no feedback has told
        self._highest = 0
        self._count = 0

    def add(self, number: int, arrival_ms: float) -> None:
        """A packet came; `number` has 16 bits."""
        if self._next is None:
            self._next = self._highest = number + 0x10000
        unwrapped = self._highest + signed_difference(number, self._highest, 16)
        self._highest = max(self._highest, unwrapped)
        if unwrapped >= self._next:  # else it has been told as lost; the sender needn't know more
            self._arrived.setdefault(unwrapped, arrival_ms)
        if self._highest - self._next >= _MAX_STATUSES:
            self._next = self._highest - _MAX_STATUSES + 1
            self._arrived = {n: ms for n, ms in self._arrived.items() if n >= self._next}

    def feedback(self, ssrc: int, media_ssrc: int) -> bytes | None:
        """What came since the last one, None where nothing did."""
        if not self._arrived or self._next is None:
            return None
        first, arrived = self._next, self._arrived
        times = [arrived.get(number) for number in range(first, max(arrived) + 1)]
        body, told = _body(first & 0xFFFF, self._count & 0xFF, times)
        self._count += 1
        self._next = first + told
        self._arrived = {n: ms for n, ms in arrived.items() if n >= self._next}
        head = struct.pack("!LL", ssrc & 0xFFFFFFFF, media_ssrc & 0xFFFFFFFF)
        return _padded(head + body)


def _body(first: int, count: int, times: Sequence[float | None]) -> tuple[bytes, int]:
    """The message from its base number on, and how many packets it tells of.

    It ends before a packet whose time is too far from the one before to be written.
    """
    start_ms = next(ms for ms in times if ms is not None)
    reference = int(start_ms // (TICK_MS * _REFERENCE_TICKS))
    ticks = reference * _REFERENCE_TICKS
    statuses: list[int] = []
    deltas = b""
    for ms in times:
        if ms is None:
            statuses.append(_LOST)
            continue
        delta = round(ms / TICK_MS) - ticks
        if not -0x8000 <= delta <= 0x7FFF:
            break
        ticks += delta
        small = 0 <= delta <= 0xFF
        statuses.append(_SMALL if small else _LARGE)
        deltas += struct.pack("!B" if small else "!h", delta)
    while statuses and statuses[-1] == _LOST:  # the next message begins with them
        statuses.pop()
    head = struct.pack("!HH", first, len(statuses)) + (reference & 0xFFFFFF).to_bytes(3, "big")
    return head + bytes([count]) + _chunks(statuses) + deltas, len(statuses)


def _chunks(statuses: Sequence[int]) -> bytes:
    """Runs of one status where they are longer than a vector of seven."""
    chunks, at = b"", 0
    while at < len(statuses):
        run = 1
        while at + run < len(statuses) and statuses[at + run] == statuses[at] and run < _MAX_RUN:
            run += 1
        if run > _RUN or at + run == len(statuses):
            chunks += struct.pack("!H", statuses[at] << 13 | run)
            at += run
        else:
            word = 0xC000
            for index, status in enumerate(statuses[at : at + _RUN]):
                word |= status << 2 * (_RUN - 1 - index)
            chunks += struct.pack("!H", word)
            at += _RUN
    return chunks


def _padded(body: bytes) -> bytes:
    padding = -len(body) % 4
    if padding:
        body += bytes(padding - 1) + bytes([padding])
    return rtcp(TRANSPORT_FEEDBACK, FORMAT | (0x20 if padding else 0), body)


def parse(data: bytes) -> TransportFeedback | None:
    """A feedback message read back, None for one that is malformed or another kind."""
    if len(data) < 20 or data[0] & 0xDF != 0x80 | FORMAT or data[1] != TRANSPORT_FEEDBACK:
        return None
    first, count = struct.unpack_from("!HH", data, 12)
    reference, sent = int.from_bytes(data[16:19], "big"), data[19]
    at, statuses = 20, list[int]()
    while len(statuses) < count:
        if at + 2 > len(data):
            return None
        (word,) = struct.unpack_from("!H", data, at)
        at += 2
        if not word & 0x8000:
            statuses += [word >> 13 & 3] * min(word & _MAX_RUN, count)
        elif word & 0x4000:
            statuses += [word >> 2 * (_RUN - 1 - index) & 3 for index in range(_RUN)]
        else:
            statuses += [word >> 13 - index & 1 for index in range(14)]
    arrivals: list[float | None] = []
    ticks = reference * _REFERENCE_TICKS
    for status in statuses[:count]:
        size = {_SMALL: 1, _LARGE: 2}.get(status, 0)
        if at + size > len(data):
            return None
        if size:
            ticks += int.from_bytes(data[at : at + size], "big", signed=size == 2)
        at += size
        arrivals.append(ticks * TICK_MS if size else None)
    return TransportFeedback(sent, first, tuple(arrivals))
