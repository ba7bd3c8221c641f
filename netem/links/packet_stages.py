"""What a link does to packets, one property a class: a rate, a delay, losses.

Pure: times are arguments, in ms, and don't go back; chance comes from a generator with a seed. A
stage first advances to the time, then acts, and hands packets on with the time at which they left,
which may be earlier than the time it is asked at: a late wake-up delays a packet once, not once a
stage (the queues of Mahimahi work so: Netravali et al., ATC 2015).
"""

from __future__ import annotations

import heapq
import random
from collections import deque

from traces.trace import Trace

TimedPacket = tuple[float, bytes]
"""When a packet left, and the packet."""


# All have `put(packet, now_ms)`, which takes a packet or drops it; `take(now_ms)`, what has left by
# now, in order; and `next_ms`, when the next one leaves, None when there is nothing to wait for.


class RateQueue:
    """Packets leave one after the other as fast as a trace says; a full queue drops the new one.

    `queue_bytes` bounds what waits, the packet being sent included; a packet is always taken when
    nothing waits. The trace's time 0 is `origin_ms`.
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
        """Goes on by another trace; the packet on its way keeps what it has had. Returns what had
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
    """Packets leave `delay_ms` later, give or take up to `jitter_ms` (uniform, never below 0).

    Jitter keeps the order: a packet leaves no earlier than the one before it. A share `reorder` of
    the packets is not delayed at all and so overtakes those before it, as in kernel netem.
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
    """A share of the packets is lost, `burst` in a row at a time; the others leave at once.

    Where bursts begin is chance; of one packet each, every packet is lost by itself.
    """

    def __init__(self, share: float, seed: int = 0, burst: int = 1) -> None:
        self.share = share
        self._burst = burst
        self._random = random.Random(seed)
        self._left: list[TimedPacket] = []
        self._doomed = 0  # of the burst that has begun
        self.lost = 0

    def put(self, packet: bytes, now_ms: float) -> None:
        if not self._doomed and self.share and self._random.random() < self._begins:
            self._doomed = self._burst
        if self._doomed:
            self._doomed -= 1
            self.lost += 1
        else:
            self._left.append((now_ms, packet))

    @property
    def _begins(self) -> float:
        """The chance that a burst begins: the share lost is burst : burst + mean gap."""
        return self.share / (self.share + self._burst * (1.0 - self.share))

    def take(self, now_ms: float) -> list[TimedPacket]:
        left, self._left = self._left, []
        return left

    @property
    def next_ms(self) -> float | None:
        return self._left[0][0] if self._left else None
