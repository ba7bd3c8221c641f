"""Packet trains: what one frame's packets tell of the link, and what many tell of its capacity.

A frame that leaves the sender as a burst measures the link: the bits after its first packet over
the time from first to last arrival. Where the sender spread it out itself (its send times tell,
by abs-send-time) the train is only a lower bound. Pure: times in ms are arguments.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_CAPACITY_BPS = 200e6  # what a train read at memory speed is taken for
OVERHEAD_BYTES = 38  # IPv4, UDP and SRTP's tag, on every packet
TRAIN_PACKETS = 4  # fewer tell little; short trains are pooled until they have twice as many
_POOL_PACKETS = 8
_DOWN_MOST = 8.0  # times that one train may ask for less: the link may have been gone, not slow
HARMLESS = 0.6  # of the time to the next frame: one that takes no longer is in nobody's way
_STEP = 0.7  # of what was believed
_PLENTY_BPS = 6e6
_SPREAD_TRAINS = 10
_PROBE_UP, _PROBE_TIMES, _PROBE_QUEUE_MS = 1.08, 4.0, 15.0  # of frames of one packet
_SEND_TIME_MS = 1000.0 / (1 << 18)  # abs-send-time counts seconds in 6.18 fixed point


@dataclass(slots=True)
class PacketTrain:
    """The packets of one frame that came in their turn; `bytes` without the first packet's."""

    rtp: int
    first_ms: float
    last_ms: float
    first_sent_ms: float | None
    last_sent_ms: float | None
    first_bytes: int
    packets: int = 1
    bytes: int = 0

    def add(self, size: int, arrival_ms: float, sent_ms: float | None) -> None:
        self.packets += 1
        self.bytes += size + OVERHEAD_BYTES
        self.last_ms = arrival_ms
        self.last_sent_ms = sent_ms

    @property
    def bits(self) -> float:
        """All of them."""
        return 8.0 * (self.first_bytes + self.bytes)

    @property
    def span_ms(self) -> float:
        return max(0.0, self.last_ms - self.first_ms)

    @property
    def sent_span_ms(self) -> float:
        """In which the sender let them go, 0 where it does not tell."""
        if self.first_sent_ms is None or self.last_sent_ms is None:
            return 0.0
        return self.last_sent_ms - self.first_sent_ms

    def by_sender(self, jitter_ms: float) -> bool:
        """Whether it was the sender that spread the train, or jitter, but not the link's rate."""
        if self.last_sent_ms is None:
            return False
        return self.span_ms < self.sent_span_ms + max(0.15 * self.sent_span_ms + 0.3, jitter_ms)


class CapacityEstimate:
    """The link's capacity from one train after another; None before the first of any use."""

    def __init__(self) -> None:
        self.bps: float | None = None
        self.limited_ms = float("-inf")  # when a train was last slowed by the link
        self._pool = [0.0, 0.0, 0.0]  # short trains: packets, bits, ms
        self._spread = 0  # trains, before any that the link had slowed

    def learn(
        self, train: PacketTrain, waited_ms: float, interval_ms: float, jitter_ms: float
    ) -> None:
        """A frame that is whole, whose first packet waited in queues for `waited_ms`."""
        if train.packets < 2:
            self._probe(train, waited_ms, interval_ms)
            return
        span_ms, bits = train.span_ms, 8.0 * train.bytes
        limited = not train.by_sender(2.0 * jitter_ms)
        if not limited:
            # Read in one go though sent apart: the link is at least as fast as the sender was.
            span_ms = max(span_ms, train.sent_span_ms) + jitter_ms
        packets: float = train.packets
        if packets < TRAIN_PACKETS and limited:
            pool = self._pool
            pool[0], pool[1], pool[2] = pool[0] + packets, pool[1] + bits, pool[2] + span_ms
            if pool[0] < _POOL_PACKETS:
                return
            packets, bits, span_ms = pool
            self._pool = [0.0, 0.0, 0.0]
        sample_bps = 1000.0 * bits / max(span_ms, 0.01)
        harmless = waited_ms + train.span_ms < HARMLESS * interval_ms
        if limited and sample_bps < 0.5 * MAX_CAPACITY_BPS:
            self.limited_ms = train.last_ms
        self._take(sample_bps, packets, span_ms, limited=limited, harmless=harmless)

    def _probe(self, train: PacketTrain, waited_ms: float, interval_ms: float) -> None:
        """One packet spans nothing: while frames of one make no queue, more is tried.

        Up to a multiple of what they carry, so that a still picture is not taken for a fast link.
        """
        if self.bps is not None and waited_ms < _PROBE_QUEUE_MS:
            most_bps = _PROBE_TIMES * 1000.0 * train.bits / max(interval_ms, 1.0)
            self.bps = max(self.bps, min(most_bps, _PROBE_UP * self.bps))

    def _take(
        self, sample_bps: float, packets: float, span_ms: float, *, limited: bool, harmless: bool
    ) -> None:
        sample_bps = min(MAX_CAPACITY_BPS, sample_bps)
        if self.bps is None:
            # What the sender spread out says little, unless there is nothing else for long.
            self._spread += 1
            if limited or sample_bps > _PLENTY_BPS or self._spread > _SPREAD_TRAINS:
                self.bps = sample_bps
        elif sample_bps > self.bps:
            # A short train may have slipped through in one of the link's bursts.
            sample_bps = min(sample_bps, (1.0 + packets / 4.0) * self.bps)
            self.bps += min(0.3, 0.03 * packets) * (sample_bps - self.bps)
        elif limited:
            # A longer train is surer; a little less, or in time, is more often noise than a step.
            weight = min(0.8, max(0.1 * packets, span_ms / 100.0))
            if sample_bps > _STEP * self.bps or harmless:
                weight = min(0.25, weight)
            self.bps += weight * (max(sample_bps, self.bps / _DOWN_MOST) - self.bps)


class SendTimes:
    """abs-send-time (24 bits, 64 s) as milliseconds that never wrap."""

    def __init__(self) -> None:
        self._last: int | None = None

    def unwrap(self, send_time: int) -> float:
        if self._last is None:
            self._last = send_time
        else:
            self._last += ((send_time - self._last + 0x800000) & 0xFFFFFF) - 0x800000
        return self._last * _SEND_TIME_MS
