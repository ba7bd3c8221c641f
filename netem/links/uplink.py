"""A link's effects on the packets of one direction, as settings and as a chain of stages."""

from __future__ import annotations

from dataclasses import dataclass

from netem.links.packet_stages import Delay, PacketLoss, RateQueue, TimedPacket
from traces.trace import Trace

LEAST_PACKETS = 10
FULL_PACKET_BYTES = 1514


@dataclass(frozen=True)
class Uplink:
    """A trace's rate; a drop-tail queue of `queue_ms` at the mean rate, or of `queue_bytes`;
    one-way delay, jitter, shares lost (`loss_burst` packets in a row) and reordered.

    The trace's own delay, jitter and loss are added. Raises ValueError for values out of range.
    """

    trace: Trace
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    loss: float = 0.0
    reorder: float = 0.0
    queue_ms: float = 200.0
    queue_bytes: int | None = None
    seed: int = 0
    loss_burst: int = 1

    def __post_init__(self) -> None:
        if min(self.delay_ms, self.jitter_ms, self.loss, self.reorder) < 0.0:
            raise ValueError("delay, jitter, loss and reordering: not below 0")
        if max(self.loss, self.reorder) > 1.0:
            raise ValueError("loss and reordering: shares, 1 at most")
        if self.loss_burst < 1:
            raise ValueError("a burst of losses: 1 packet at least")
        if self.reorder and not self.delay_ms:
            raise ValueError("reordering needs a delay: a packet overtakes by having none")
        if self.queue_ms <= 0.0 or (self.queue_bytes is not None and self.queue_bytes <= 0):
            raise ValueError("the queue: above 0")

    @property
    def limit_bytes(self) -> int:
        """The queue's size; at least ten full packets, unless given in bytes."""
        if self.queue_bytes is not None:
            return self.queue_bytes
        by_time = self.trace.mean_bps * self.queue_ms / 8000.0
        return max(round(by_time), LEAST_PACKETS * FULL_PACKET_BYTES)

    @property
    def varies(self) -> bool:
        """Whether the trace itself has delay, jitter or loss."""
        trace = self.trace
        return any(s is not None for s in (trace.delay_ms, trace.jitter_ms, trace.loss))


class UplinkPath:
    """The stages of an uplink: rate and queue, then loss (a lost packet takes its time on the air),
    then delay. Pure."""

    def __init__(self, uplink: Uplink, origin_ms: float) -> None:
        self._uplink = uplink
        self._origin_ms = origin_ms
        self.queue = RateQueue(uplink.trace, uplink.limit_bytes, origin_ms)
        self.loss = PacketLoss(uplink.loss, uplink.seed, uplink.loss_burst)
        self._delay = Delay(uplink.delay_ms, uplink.jitter_ms, uplink.reorder, uplink.seed + 1)

    def put(self, packet: bytes, now_ms: float) -> None:
        """Accept or drop a packet."""
        self.queue.put(packet, now_ms)

    def take(self, now_ms: float) -> list[TimedPacket]:
        """The packets that have left by now."""
        self._pass_on(self.queue.take(now_ms))
        return self._delay.take(now_ms)

    @property
    def next_ms(self) -> float | None:
        """When the next packet moves; None if there is none."""
        times = [t for t in (self.queue.next_ms, self._delay.next_ms) if t is not None]
        return min(times, default=None)

    def change(self, trace: Trace, now_ms: float, origin_ms: float) -> None:
        """Follow another trace's rate, with time 0 at `origin_ms`."""
        self._pass_on(self.queue.change(trace, now_ms, origin_ms))

    def _pass_on(self, left: list[TimedPacket]) -> None:
        for at_ms, packet in left:
            if self._uplink.varies:
                self._follow(at_ms)
            self.loss.put(packet, at_ms)
            for kept_ms, kept in self.loss.take(at_ms):
                self._delay.put(kept, kept_ms)

    def _follow(self, at_ms: float) -> None:
        uplink = self._uplink
        step = uplink.trace.step_at(max(at_ms - self._origin_ms, 0.0))
        self._delay.delay_ms = uplink.delay_ms + (step.delay_ms or 0.0)
        self._delay.jitter_ms = uplink.jitter_ms + (step.jitter_ms or 0.0)
        self.loss.share = 1.0 - (1.0 - uplink.loss) * (1.0 - (step.loss or 0.0))
