"""What a jitter buffer asks the sender for besides single packets, and when.

Pure: times in ms are arguments. `owner` says whose packet each unwrapped number is, None for
padding.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, MutableMapping

from edge.rtc.jitter.frames import Assembly
from edge.rtc.jitter.nack import NackRequester

KEY_RUN = 4  # packets missing in a row that may hold a whole key frame
TAIL_MS = 25.0  # of silence in mid-frame before its next packet is asked for, seen or not
NEVER = float("inf")
PLI_INTERVAL_MS = 150.0  # Chromium heeds one in 300 ms: it mustn't take two more to be heard
_PROBES = 3  # in a silence
MAX_PROBED = 16  # packets: with the first, one word of a NACK
_PLI_LIFETIME_MS = 1000.0  # a stream silent for this long is not asked for key frames


class KeyframeRequests:
    """Picture loss indications: not too often, nor while a key frame comes in as it should."""

    def __init__(self) -> None:
        self.needed = False
        self._asked_ms = -NEVER

    def wake_ms(self, frames: Iterable[Assembly], gaps: NackRequester, arrival_ms: float) -> float:
        """When to ask next, infinity for not at all; the last packet came at `arrival_ms`."""
        if not self.needed:
            return NEVER
        again_ms = max(self._again_ms(frames, gaps), arrival_ms)
        return again_ms if again_ms < arrival_ms + _PLI_LIFETIME_MS else NEVER

    def due(
        self, frames: Iterable[Assembly], gaps: NackRequester, arrival_ms: float, now_ms: float
    ) -> bool:
        """Whether to ask now; counts as asked."""
        # By the time when it fell due, as above, however late this is: else it would stay due.
        if self.wake_ms(frames, gaps, arrival_ms) > now_ms:
            return False
        self._asked_ms = now_ms
        return True

    def _again_ms(self, frames: Iterable[Assembly], gaps: NackRequester) -> float:
        coming_ms = (frame.first_ms for frame in frames if frame.keyframe)
        return max(
            self._asked_ms + max(PLI_INTERVAL_MS, 2.0 * gaps.rtt_ms),
            max(coming_ms, default=-NEVER) + gaps.patience_ms,
        )


class Probes:
    """Questions for packets that no later one has shown to be missing.

    Those are the end of a frame that has broken off, and a frame that is overdue. A few at a time,
    as many as a usual frame has; senders pass over numbers that they have not used yet.
    """

    def __init__(self) -> None:
        self._interval_ms = NEVER  # between frames
        self._packets = 1.0  # of a usual frame
        self._began_ms: float | None = None
        self._made = 0  # since the last packet in its turn
        self._asked_ms = 0.0

    def arrived(self) -> None:
        """A packet came that is later than all before it."""
        self._made = 0

    def began(self, now_ms: float) -> None:
        """A frame's first sign."""
        if self._began_ms is not None:
            interval_ms = min(1000.0, max(5.0, now_ms - self._began_ms))
            if self._interval_ms < NEVER:
                interval_ms = self._interval_ms + 0.2 * (interval_ms - self._interval_ms)
            self._interval_ms = interval_ms
        self._began_ms = now_ms

    def served(self, packets: int) -> None:
        """A frame was whole."""
        self._packets += 0.2 * (packets - self._packets)

    def wake_ms(self, tail: Assembly | None, arrival_ms: float, gaps: NackRequester) -> float:
        """When to ask next, infinity for not at all; the last packet came at `arrival_ms`."""
        if self._made >= _PROBES or arrival_ms == -NEVER:
            return NEVER
        if self._made:
            return gaps.again_ms(self._asked_ms)
        if tail is not None:
            return tail.last_ms + TAIL_MS
        return arrival_ms + max(self._interval_ms + TAIL_MS, 1.5 * self._interval_ms)

    def due(
        self,
        tail: Assembly | None,
        arrival_ms: float,
        gaps: NackRequester,
        highest: int,
        now_ms: float,
    ) -> range:
        """The numbers to ask for now, after the `highest` that came; they count as asked."""
        if self.wake_ms(tail, arrival_ms, gaps) > now_ms:
            return range(0)
        here = len(tail.packets) if tail is not None else 0
        count = min(MAX_PROBED, max(1, math.ceil(self._packets) - here))
        if tail is None and not self._made:
            count = 1  # the frame may just be late, and would be sent twice
        self._made += 1
        self._asked_ms = now_ms
        numbers = range(highest + 1, highest + 1 + count)
        gaps.probe(numbers, now_ms, sent=tail is not None)
        return numbers


def broken_off(owner: Mapping[int, Assembly | None], highest: int) -> Assembly | None:
    """A frame that ended early with nothing after it to show a gap."""
    frame = owner.get(highest)
    if frame is None or frame.dead or frame.last is not None:
        return None
    return frame


def forgo(number: int, gaps: NackRequester, owner: MutableMapping[int, Assembly | None]) -> bool:
    """While a key frame is awaited, don't ask for what lies within frames given up.

    A run of `KEY_RUN` or more may hold a whole key frame, and is asked for.
    """
    first = last = number
    while first - 1 in gaps and last - first < KEY_RUN:
        first -= 1
    while last + 1 in gaps and last - first < KEY_RUN:
        last += 1
    before, after = owner.get(first - 1), owner.get(last + 1)
    inside = before is not None and before.dead and after is not None and after.dead
    if not inside or last - first + 1 >= KEY_RUN:
        return False
    for gone in range(first, last + 1):
        gaps.forget(gone)
        owner[gone] = None
    return True
