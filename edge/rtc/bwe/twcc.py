"""Transport-wide congestion control feedback: reports each packet's arrival to its sender.

With it the sender's own estimator decides, and not this server's. A packet's number is a header
extension, the feedback is RTPFB format 15: sections 2 and 3.1 of
draft-holmer-rmcat-transport-wide-cc-extensions-01. Pure: times in ms are arguments.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from edge.rtc.rtp import TRANSPORT_FEEDBACK, rtcp
from edge.rtc.unwrapper import signed_difference

EVERY_MS = 50.0  # between two feedbacks
FORMAT = 15
TICK_MS = 0.25  # of receive deltas
_REFERENCE_TICKS = 256  # deltas in one step of the reference time, 64 ms
_MAX_STATUSES = 1000  # in one message, so that it fits a datagram; older packets are left out
_LOST, _SMALL, _LARGE = 0, 1, 2
_RUN = 7  # statuses in a vector chunk of two bits each
_MAX_RUN = 0x1FFF


class PacketArrivals:
    """Packets by their transport-wide number, until the next feedback; bounded."""

    def __init__(self) -> None:
        self._arrived: dict[int, float] = {}  # by unwrapped number
        self._next: int | None = None  # the first number that no feedback has reported
        self._highest = 0
        self._count = 0

    def add(self, number: int, arrival_ms: float) -> None:
        """A packet came; `number` has 16 bits."""
        if self._next is None:
            self._next = self._highest = number + 0x10000
        unwrapped = self._highest + signed_difference(number, self._highest, 16)
        self._highest = max(self._highest, unwrapped)
        if unwrapped >= self._next:  # else it was reported as lost, which is final
            self._arrived.setdefault(unwrapped, arrival_ms)
        if self._highest - self._next >= _MAX_STATUSES:
            self._next = self._highest - _MAX_STATUSES + 1
            self._arrived = {n: ms for n, ms in self._arrived.items() if n >= self._next}

    def feedback(self, ssrc: int, media_ssrc: int) -> bytes | None:
        """The message about the packets since the last one; None if none came."""
        if not self._arrived or self._next is None:
            return None
        first, arrived = self._next, self._arrived
        times = [arrived.get(number) for number in range(first, max(arrived) + 1)]
        body, reported = _body(first & 0xFFFF, self._count & 0xFF, times)
        self._count += 1
        self._next = first + reported
        self._arrived = {n: ms for n, ms in arrived.items() if n >= self._next}
        head = struct.pack("!LL", ssrc & 0xFFFFFFFF, media_ssrc & 0xFFFFFFFF)
        return _padded(head + body)


def _body(first: int, count: int, times: Sequence[float | None]) -> tuple[bytes, int]:
    """The message from its base number on, and the number of packets that it reports.

    It ends before a packet whose arrival is too far from the previous one for a delta.
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
    while statuses and statuses[-1] == _LOST:  # they begin the next message
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
