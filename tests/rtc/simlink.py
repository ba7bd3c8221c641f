"""Simulated links for tests: the stages of `netem.links`, driven by the simulator's event queue.

Packets, not frames, cross these links: what is tested reacts to each packet's arrival.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import numpy as np

from analysis.simulator.event_queue import EventQueue
from netem.links.packet_stages import Delay, RateQueue, TimedPacket
from traces import Trace

MSS_BYTES = 1500
_ID_BYTES = 8
_FOR_EVER_MS = 1e9


def steps(*rates: tuple[float, float]) -> Trace:
    """A link by (from ms, bit/s); the last rate stays."""
    at_ms, rate_bps = zip(*rates, strict=True)
    return Trace(np.array(at_ms), np.array(rate_bps), _FOR_EVER_MS)


class Stage(Protocol):
    """The interface of the classes in `netem.links.packet_stages`."""

    def put(self, packet: bytes, now_ms: float) -> None: ...
    def take(self, now_ms: float) -> list[TimedPacket]: ...
    @property
    def next_ms(self) -> float | None: ...


class StagedLink:
    """Packets go through stages one after the other; each is delivered when it leaves the last."""

    def __init__(self, events: EventQueue, stages: Sequence[Stage]) -> None:
        self._events = events
        self._stages = stages
        self._deliveries: dict[bytes, Callable[[], None]] = {}
        self._ids = itertools.count()
        self._due_ms = math.inf

    def put(self, size_bytes: int, deliver: Callable[[], None]) -> None:
        """Sends a packet of at least 8 bytes; `deliver` is called if and when it arrives."""
        packet = next(self._ids).to_bytes(_ID_BYTES, "big").ljust(size_bytes, b"\0")
        self._deliveries[packet[:_ID_BYTES]] = deliver
        self._stages[0].put(packet, self._events.now_ms)
        self._advance()

    def _advance(self) -> None:
        now_ms = self._events.now_ms
        for stage, following in itertools.pairwise(self._stages):
            for at_ms, packet in stage.take(now_ms):
                following.put(packet, at_ms)
        for _, packet in self._stages[-1].take(now_ms):
            self._deliveries.pop(packet[:_ID_BYTES])()
        times = [stage.next_ms for stage in self._stages]
        next_ms = min((ms for ms in times if ms is not None), default=math.inf)
        if next_ms < self._due_ms:
            self._due_ms = next_ms
            self._events.at(next_ms, partial(self._wake, next_ms))

    def _wake(self, due_ms: float) -> None:
        if due_ms == self._due_ms:  # otherwise an earlier one has been scheduled since
            self._due_ms = math.inf
            self._advance()


class BurstQueue(RateQueue):
    """A rate with a token bucket: after idling, `burst_bytes` pass at once, as through tbf."""

    def __init__(self, trace: Trace, queue_bytes: int, burst_bytes: int) -> None:
        super().__init__(trace, queue_bytes)
        self._burst_bits = 8.0 * burst_bytes
        self._spent_ms = 0.0  # when the tokens for all packets so far have come in

    def _start(self, now_ms: float, bits: float) -> None:
        credit_ms = 1000.0 * self._burst_bits / max(self.rate_at(now_ms), 1.0)
        super()._start(max(self._spent_ms, now_ms - credit_ms), bits)
        self._spent_ms = self._head_ends_ms
        self._head_ends_ms = max(now_ms, self._head_ends_ms)


class Clumps:
    """A radio's retransmissions: now and then all packets wait for 5 ms to `longest_ms`, and leave
    together, in order."""

    def __init__(self, longest_ms: float, seed: int) -> None:
        self._longest_ms = longest_ms
        self._random = random.Random(seed)
        self._until_ms = 0.0
        self._waiting: list[TimedPacket] = []

    def put(self, packet: bytes, now_ms: float) -> None:
        if self._longest_ms and now_ms > self._until_ms and self._random.random() < 0.1:
            self._until_ms = now_ms + self._random.uniform(5.0, self._longest_ms)
        self._waiting.append((max(now_ms, self._until_ms), packet))

    def take(self, now_ms: float) -> list[TimedPacket]:
        left = [each for each in self._waiting if each[0] <= now_ms]
        self._waiting = self._waiting[len(left) :]
        return left

    @property
    def next_ms(self) -> float | None:
        return self._waiting[0][0] if self._waiting else None


class Bottleneck:
    """A drop-tail queue in front of a rate that follows a trace, and a delay behind it."""

    def __init__(
        self,
        events: EventQueue,
        trace: Trace,
        *,
        queue_bytes: int = 256_000,
        delay_ms: float = 10.0,
        clump_ms: float = 0.0,
        burst_bytes: int = 0,
        seed: int = 1,
    ) -> None:
        self.delay_ms = delay_ms
        self._queue = BurstQueue(trace, queue_bytes, burst_bytes)
        self._link = StagedLink(events, [self._queue, Clumps(clump_ms, seed), Delay(delay_ms)])

    def send(self, size_bytes: int, deliver: Callable[[], None]) -> bool:
        """Sends a packet; False if the queue had no room for it."""
        dropped = self._queue.dropped
        self._link.put(size_bytes, deliver)
        return self._queue.dropped == dropped


class Tcp:
    """A greedy AIMD flow: slow start, then one segment a round trip up, half on a loss."""

    def __init__(self, events: EventQueue, link: Bottleneck, starts_ms: float = 0.0) -> None:
        self._events, self._link = events, link
        self._window, self._threshold = 10.0, math.inf
        self._in_flight = 0
        self._cut_ms = -math.inf
        self._rtt_ms = 50.0
        self.received_ms: list[float] = []
        events.at(starts_ms, self._fill)
        events.every(200.0, self._fill, starts_ms)  # in the place of a retransmission timer

    def _fill(self) -> None:
        while self._in_flight < int(self._window):
            sent_ms = self._events.now_ms
            self._in_flight += 1
            if not self._link.send(MSS_BYTES, lambda sent_ms=sent_ms: self._arrive(sent_ms)):  # type: ignore[misc]
                self._events.after(self._rtt_ms, self._lost)
                break

    def _arrive(self, sent_ms: float) -> None:
        self.received_ms.append(self._events.now_ms)
        self._events.after(self._link.delay_ms, lambda: self._acknowledged(sent_ms))

    def _acknowledged(self, sent_ms: float) -> None:
        self._in_flight -= 1
        self._rtt_ms += 0.125 * (self._events.now_ms - sent_ms - self._rtt_ms)
        self._window += 1.0 if self._window < self._threshold else 1.0 / self._window
        self._fill()

    def _lost(self) -> None:
        self._in_flight -= 1
        if self._events.now_ms - self._cut_ms > self._rtt_ms:
            self._cut_ms = self._events.now_ms
            self._threshold = self._window = max(2.0, self._window / 2.0)
        self._fill()

    def mean_bps(self, from_s: float, to_s: float) -> float:
        count = sum(1000 * from_s <= ms < 1000 * to_s for ms in self.received_ms)
        return 8 * MSS_BYTES * count / (to_s - from_s)
