"""A sender behind a lossy link, on a simulated clock: what a jitter buffer's requests achieve.

The sender is Chromium's: a packet that was asked for is sent again unless that was done less than
a round trip and 5 ms ago; a picture request makes the next frame a key frame, but not twice within
300 ms.
"""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import dataclass, field
from functools import partial

from analysis.simulator.event_queue import EventQueue
from edge.rtc.jitter.depacketizer import Payload
from edge.rtc.jitter.frames import JitterBufferOutput
from edge.rtc.jitter.jitter_buffer import JitterBuffer
from netem.links.packet_stages import Delay, RateQueue
from tests.rtc.simlink import Stage, StagedLink
from traces import constant

KEY_FRAME_INTERVAL_MS = 300.0
PACKET_BYTES = 1200
LINK_BPS = 8e6
JITTER_MS = 2.0  # of an encoder's time, a frame


@dataclass
class LossyStream:
    """A stream of `fps` frames of `packets` packets over a round trip of `rtt_ms`.

    `loss` drops packets, first sendings and repetitions alike; the way back loses nothing.
    `answers`: the sender sends again what is asked for.
    """

    loss: Stage
    fps: float = 15.0
    packets: int = 9
    key_packets: int = 30
    rtt_ms: float = 30.0
    max_wait_ms: float = 35.0
    answers: bool = True
    seed: int = 1
    served_ms: list[float] = field(default_factory=list)
    sent: int = 0
    requests_ms: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.buffer = JitterBuffer(self.max_wait_ms, self.rtt_ms)
        self._events = EventQueue()
        # A lost packet had its time on the air: the loss follows the rate.
        stages = [RateQueue(constant(LINK_BPS), 1 << 20), self.loss, Delay(self.rtt_ms / 2.0)]
        self._link = StagedLink(self._events, stages)
        self._sequence = 0
        # By sequence number, the last with it.
        self._repeated_ms: dict[int, float] = {}
        self._history: dict[int, tuple[int, bool, Payload]] = {}
        self._key, self._key_asked_ms = True, -math.inf
        self._wake_ms = math.inf
        self._random = random.Random(self.seed)

    def run(self, seconds: float) -> LossyStream:
        for index in range(int(seconds * self.fps)):
            due_ms = 1000.0 * index / self.fps + self._random.uniform(0, JITTER_MS)
            self._events.at(due_ms, self._encode)
        self._events.run()
        return self

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
            self._repeated_ms[number] = -math.inf
            self._send(number)

    def _send(self, number: int) -> None:
        rtp, marker, media = self._history[number]

        def arrive() -> None:
            self._take(self.buffer.add(number, rtp, marker, media, self._events.now_ms))

        self._link.put(PACKET_BYTES, arrive)

    def _take(self, output: JitterBufferOutput) -> None:
        now_ms = self._events.now_ms
        self.served_ms += [now_ms] * len(output.frames)
        for number in output.nack:
            self._events.after(self.rtt_ms / 2.0, lambda number=number: self._repeat(number))  # type: ignore[misc]
        if output.keyframe:
            self.requests_ms.append(now_ms)
            self._events.after(self.rtt_ms / 2.0, self._refresh)
        wake_ms = self.buffer.wake_ms()
        if wake_ms is not None and wake_ms < self._wake_ms:
            self._wake_ms = wake_ms
            self._events.at(wake_ms, partial(self._wake, wake_ms))

    def _wake(self, due_ms: float) -> None:
        if due_ms == self._wake_ms:  # otherwise an earlier one has been scheduled since
            self._wake_ms = math.inf
            self._take(self.buffer.poll(self._events.now_ms))

    def _repeat(self, number: int) -> None:
        now_ms = self._events.now_ms
        is_sent = self.answers and number in self._history
        if is_sent and now_ms - self._repeated_ms[number] >= self.rtt_ms + 5.0:
            self._repeated_ms[number] = now_ms
            self._send(number)

    def _refresh(self) -> None:
        if self._events.now_ms - self._key_asked_ms >= KEY_FRAME_INTERVAL_MS:
            self._key, self._key_asked_ms = True, self._events.now_ms

    @property
    def stalls_ms(self) -> list[float]:
        """Times between frames served, the longest first."""
        times = self.served_ms
        return sorted((b - a for a, b in itertools.pairwise(times)), reverse=True)

    @property
    def share(self) -> float:
        """Of the frames sent, those served."""
        return len(self.served_ms) / self.sent
