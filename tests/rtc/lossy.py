"""A sender behind a lossy link, on a fake clock: what a jitter buffer's questions get answered.

The sender is Chromium's: a packet that was asked for is sent again unless that was done less than
a round trip and 5 ms ago; a picture request makes the next frame a key frame, but not twice within
300 ms.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from edge.rtc.jitter.depacketizer import Payload
from edge.rtc.jitter.jitter_buffer import JitterBuffer
from edge.rtc.jitter.outcome import JitterBufferOutput

KEY_EVERY_MS = 300.0
PACKET_MS = 1.2  # on a link of 8 Mbit/s
JITTER_MS = 2.0  # of an encoder's time, a frame


@dataclass
class Lossy:
    """A stream of `fps` frames of `packets` packets over a round trip of `rtt_ms`.

    `lose()` says of each packet in turn, first sending or not, whether it is lost; the way back
    loses nothing. `answers`: it sends again what is asked for.
    """

    lose: Callable[[], bool]
    fps: float = 15.0
    packets: int = 9
    key_packets: int = 30
    rtt_ms: float = 30.0
    patience_ms: float = 35.0
    answers: bool = True
    seed: int = 1
    served_ms: list[float] = field(default_factory=list)
    sent: int = 0
    requests_ms: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.buffer = JitterBuffer(self.patience_ms, self.rtt_ms)
        self.now_ms = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = self._sequence = 0
        # By sequence number, the last with it.
        self._again_ms: dict[int, float] = {}
        self._history: dict[int, tuple[int, bool, Payload]] = {}
        self._key, self._key_ms = True, -1e9
        self._free_ms = 0.0
        self._random = random.Random(self.seed)

    def run(self, seconds: float) -> Lossy:
        for index in range(int(seconds * self.fps)):
            self._at(1000.0 * index / self.fps + self._random.uniform(0, JITTER_MS), self._encode)
        while self._events:
            wake_ms = self.buffer.wake_ms()
            if wake_ms is not None and wake_ms < self._events[0][0]:
                self.now_ms = max(self.now_ms, wake_ms)
                self._take(self.buffer.poll(self.now_ms))
            else:
                self.now_ms, _, event = heapq.heappop(self._events)
                event()
        return self

    def _at(self, ms: float, event: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (ms, self._count, event))

    def _encode(self) -> None:
        self.sent += 1
        key, self._key = self._key, False
        count = self.key_packets if key else self.packets
        for index in range(count):
            first = index == 0
            media = Payload(b"x", first, first, first and key, first and not key)
            number = self._sequence
            self._sequence = (number + 1) & 0xFFFF
            self._history[number] = (self.sent, index == count - 1, media)
            self._again_ms[number] = -1e9
            self._send(number)

    def _send(self, number: int) -> None:
        self._free_ms = max(self._free_ms, self.now_ms) + PACKET_MS
        if not self.lose():
            rtp, marker, media = self._history[number]
            at_ms = self._free_ms + self.rtt_ms / 2.0
            self._at(
                at_ms,
                lambda: self._take(self.buffer.add(number, rtp, marker, media, self.now_ms)),
            )

    def _take(self, outcome: JitterBufferOutput) -> None:
        self.served_ms += [self.now_ms] * len(outcome.frames)
        asked_at_ms = self.now_ms + self.rtt_ms / 2.0
        for number in outcome.nack:
            self._at(asked_at_ms, lambda number=number: self._again(number))  # type: ignore[misc]
        if outcome.keyframe:
            self.requests_ms.append(self.now_ms)
            self._at(asked_at_ms, self._picture)

    def _again(self, number: int) -> None:
        known = self.answers and number in self._history
        if known and self.now_ms - self._again_ms[number] >= self.rtt_ms + 5.0:
            self._again_ms[number] = self.now_ms
            self._send(number)

    def _picture(self) -> None:
        if self.now_ms - self._key_ms >= KEY_EVERY_MS:
            self._key, self._key_ms = True, self.now_ms

    @property
    def stalls_ms(self) -> list[float]:
        """Times between frames served, the longest first."""
        times = self.served_ms
        return sorted((b - a for a, b in itertools.pairwise(times)), reverse=True)

    @property
    def share(self) -> float:
        return len(self.served_ms) / self.sent


def at_random(share: float, seed: int) -> Callable[[], bool]:
    chance = random.Random(seed)
    return lambda: chance.random() < share


def in_bursts(share: float, length: int, seed: int) -> Callable[[], bool]:
    chance, left = random.Random(seed), 0

    def lose() -> bool:
        nonlocal left
        if not left and chance.random() < share / (share + length * (1.0 - share)):
            left = length
        if left:
            left -= 1
            return True
        return False

    return lose
