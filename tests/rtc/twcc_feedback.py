"""Transport-wide feedback, read back as a sender would."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from edge.rtc.bwe.twcc import FORMAT, TICK_MS
from edge.rtc.rtp import TRANSPORT_FEEDBACK

_REFERENCE_TICKS = 256  # deltas in one step of the reference time, 64 ms
_SMALL, _LARGE = 1, 2


@dataclass(frozen=True, slots=True)
class TransportFeedback:
    """One message: the first packet's number and the arrival of each, None if lost.

    Times in ms on the receiver's clock, modulo 2**24 steps of 64 ms.
    """

    count: int
    first: int
    arrivals_ms: tuple[float | None, ...]


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
            statuses += [word >> 13 & 3] * min(word & 0x1FFF, count)
        elif word & 0x4000:
            statuses += [word >> 2 * (6 - index) & 3 for index in range(7)]
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
