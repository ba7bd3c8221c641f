"""The effects of a link on packets, one class each: rate, delay, loss.

Pure: times are arguments, in ms, and never go back; random numbers come from a seeded generator. A
stage first advances to the given time, then acts, and returns packets with the time at which they
left, which may be earlier: a late wake-up delays a packet once, not once a stage (like the queues
of Mahimahi: Netravali et al., ATC 2015).
"""

from __future__ import annotations

import heapq
import random
from collections import deque

from traces.trace import Trace

TimedPacket = tuple[float, bytes]
"""The time at which a packet left, and the packet."""


# All have `put(packet, now_ms)`, which accepts or drops a packet; `take(now_ms)`, which returns the
# packets that have left by now, in order; and `next_ms`, when the next one leaves, or None.


class RateQueue:
    """Packets leave one after the other at a trace's rate; a full queue drops the new one.

    `queue_bytes` bounds the queue, including the packet being sent; an empty queue accepts any
    packet. The trace's time 0 is `origin_ms`.
    """

    def __init__(self, trace: Trace, queue_bytes: int, origin_ms: float = 0.0) -> None:
        self._trace = trace
        self._limit = queue_bytes
        self._origin_ms = origin_ms
        self._queue: deque[bytes] = deque()
        self._left: list[TimedPacket] = []
        self._head_ends_ms = float("inf")
        self.backlog_bytes = 0
        self.dropped = 0

    def put(self, packet: bytes, now_ms: float) -> None:
        self._advance(now_ms)
        if self._queue and self.backlog_bytes + len(packet) > self._limit:
            self.dropped += 1
            return
        self._queue.append(packet)
        self.backlog_bytes += len(packet)
        if len(self._queue) == 1:
            self._start(now_ms, 8.0 * len(packet))

    def take(self, now_ms: float) -> list[TimedPacket]:
        self._advance(now_ms)
        left, self._left = self._left, []
        return left

    @property
    def next_ms(self) -> float | None:
        if self._left:
            return self._left[0][0]
        wait = self._queue and self._head_ends_ms < float("inf")
        return self._head_ends_ms if wait else None

    def rate_at(self, now_ms: float) -> float:
        """The rate in force, in bit/s."""
        return self._trace.rate_at(max(now_ms - self._origin_ms, 0.0))

    def change(self, trace: Trace, now_ms: float, origin_ms: float) -> list[TimedPacket]:
        """Follow another trace; the packet being sent keeps its progress. Returns the packets that
        left before."""
        left = self.take(now_ms)
        rest_bits = 0.0
        if self._queue:
            end_ms = self._head_ends_ms
            if end_ms < float("inf"):
                rest_bits = self._trace.capacity_bits(
                    now_ms - self._origin_ms, end_ms - self._origin_ms
                )
            else:
                rest_bits = 8.0 * len(self._queue[0])
        self._trace, self._origin_ms = trace, origin_ms
        if self._queue:
            self._start(now_ms, rest_bits)
        return left

    def _advance(self, now_ms: float) -> None:
        while self._queue and self._head_ends_ms <= now_ms:
            packet = self._queue.popleft()
            self.backlog_bytes -= len(packet)
            self._left.append((self._head_ends_ms, packet))
            if self._queue:
                self._start(self._head_ends_ms, 8.0 * len(self._queue[0]))

    def _start(self, now_ms: float, bits: float) -> None:
        start_ms = max(now_ms - self._origin_ms, 0.0)
        self._head_ends_ms = self._origin_ms + self._trace.finish_ms(start_ms, bits)


class Delay:
    """Packets leave `delay_ms` later, plus or minus up to `jitter_ms` (uniform, never below 0).

    Jitter keeps the order: a packet leaves no earlier than the one before it. A share `reorder` of
    the packets is not delayed, and so overtakes earlier ones, as in kernel netem.
    """

    def __init__(
        self, delay_ms: float, jitter_ms: float = 0.0, reorder: float = 0.0, seed: int = 0
    ) -> None:
        self.delay_ms = delay_ms
        self.jitter_ms = jitter_ms
        self._reorder = reorder
        self._random = random.Random(seed)
        self._heap: list[tuple[float, int, bytes]] = []
        self._count = 0
        self._latest_ms = 0.0

    def put(self, packet: bytes, now_ms: float) -> None:
        self._count += 1
        if self._reorder and self._random.random() < self._reorder:
            due_ms = now_ms
        else:
            jitter_ms = self.jitter_ms and self._random.uniform(-self.jitter_ms, self.jitter_ms)
            due_ms = max(now_ms + max(self.delay_ms + jitter_ms, 0.0), self._latest_ms)
            self._latest_ms = due_ms
        heapq.heappush(self._heap, (due_ms, self._count, packet))

    def take(self, now_ms: float) -> list[TimedPacket]:
        left = []
        while self._heap and self._heap[0][0] <= now_ms:
            due_ms, _, packet = heapq.heappop(self._heap)
            left.append((due_ms, packet))
        return left

    @property
    def next_ms(self) -> float | None:
        return self._heap[0][0] if self._heap else None


class PacketLoss:
    """A share of the packets is lost, `burst` in a row; the others leave at once.

    Bursts begin at random; with bursts of one packet, losses are independent.
    """

    def __init__(self, share: float, seed: int = 0, burst: int = 1) -> None:
        self.share = share
        self._burst = burst
        self._random = random.Random(seed)
        self._left: list[TimedPacket] = []
        self._to_lose = 0  # packets left of the current burst
        self.lost = 0

    def put(self, packet: bytes, now_ms: float) -> None:
        if not self._to_lose and self.share and self._random.random() < self._burst_probability:
            self._to_lose = self._burst
        if self._to_lose:
            self._to_lose -= 1
            self.lost += 1
        else:
            self._left.append((now_ms, packet))

    @property
    def _burst_probability(self) -> float:
        """That a burst begins at a packet: the share lost is burst / (burst + mean gap)."""
        return self.share / (self.share + self._burst * (1.0 - self.share))

    def take(self, now_ms: float) -> list[TimedPacket]:
        left, self._left = self._left, []
        return left

    @property
    def next_ms(self) -> float | None:
        return self._left[0][0] if self._left else None
