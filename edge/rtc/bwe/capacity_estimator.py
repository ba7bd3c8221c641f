"""The link's capacity from one packet train after another.

A train samples the capacity: its bits after the first packet over the time from first to last
arrival. Where the sender's pacer spread the train, the sample is only a lower bound. A train that
takes too long bounds the capacity from above before it is complete. Pure: times in ms are
arguments.
"""

from __future__ import annotations

from edge.rtc.bwe.packet_train import TRAIN_PACKETS, PacketTrain

MAX_CAPACITY_BPS = 200e6  # of a sample: packets read from a full socket seem to arrive at once
HARMLESS = 0.6  # of the time to the next frame: a train no longer than that delays nothing
_POOL_PACKETS = 8  # short trains are pooled into one sample of so many packets
_MAX_FALL = 8.0  # ratio by which one train may lower the estimate: the link may have stalled
_STEP = 0.7  # of the estimate: a lower sample is a step of the link, a higher one may be noise
_FAST_BPS = 6e6  # a sample of so much is believed at once, though the sender spread it out
_MIN_LIMITED_TRAINS = 10  # sender-limited trains before one of them is taken as the estimate
_PROBE_UP, _PROBE_RATIO, _PROBE_QUEUE_MS = 1.08, 4.0, 15.0  # for frames of one packet


class CapacityEstimator:
    """Bits a second that the link carries; None before the first usable train."""

    def __init__(self) -> None:
        self.measured_bps: float | None = None
        """From complete trains alone."""
        self.limited_ms = float("-inf")
        """When a train was last slowed by the link."""
        self._pool = [0.0, 0.0, 0.0]  # short trains: packets, bits, ms
        self._sender_limited = 0  # trains, before the first that the link slowed
        self.restart()

    def restart(self) -> None:
        """Another source on the same link."""
        self._bound_bps: float | None = None  # by a train still incomplete, or by silence
        self._spread_ms = 0.0  # by which trains usually exceed what their bits take

    @property
    def bps(self) -> float | None:
        """Now, with the bound that an incomplete train or silence sets."""
        if self.measured_bps is None or self._bound_bps is None:
            return self.measured_bps
        return min(self.measured_bps, self._bound_bps)

    def lift_bound(self) -> None:
        """The train in question is complete, cut short by a loss, or over."""
        self._bound_bps = None

    def bound_by_silence(self, frame_bits: float, silent_ms: float) -> None:
        """No packet came for `silent_ms`, though frames of `frame_bits` were due."""
        self._bound_bps = 1000.0 * frame_bits / silent_ms

    def bound_by(
        self,
        train: PacketTrain,
        now_ms: float,
        *,
        waited_ms: float,
        interval_ms: float,
        frame_bits: float,
    ) -> float | None:
        """Bound the capacity by an incomplete train that takes longer than its bits should.

        Returns the time in ms that the whole frame will probably take from its first packet's
        expected arrival, None where the train is no bound or delays no other frame.
        """
        span_ms = now_ms - train.first_ms
        if self.measured_bps is None:
            return None
        more = train.packets / (train.packets - 1)  # one more packet may be due now
        if train.last_sent_ms is not None and span_ms < 1.15 * more * train.sent_span_ms + 0.3:
            return None
        bits = 8.0 * train.bytes * more
        excess_ms = span_ms - 1000.0 * bits / self.measured_bps
        doubt_ms = 5.0 if train.packets >= TRAIN_PACKETS else 12.0
        if excess_ms < doubt_ms + 2.0 * self._spread_ms:
            return None
        bound_bps = 1000.0 * bits / span_ms
        rest_ms = max(0.0, frame_bits - train.bits) * 1000.0 / bound_bps
        whole_ms = waited_ms + span_ms + rest_ms
        if whole_ms <= HARMLESS * interval_ms:
            return None
        self._bound_bps = bound_bps
        return whole_ms

    def learn(
        self, train: PacketTrain, waited_ms: float, interval_ms: float, jitter_ms: float
    ) -> None:
        """A complete train, whose first packet waited in queues for `waited_ms`."""
        self._bound_bps = None
        if self.measured_bps is not None and not train.is_sender_limited(jitter_ms):
            excess_ms = train.span_ms - 8000.0 * train.bytes / max(self.measured_bps, 1.0)
            excess_ms = min(15.0, max(0.0, excess_ms))
            self._spread_ms += 0.1 * (excess_ms - self._spread_ms)
        if train.packets < 2:
            self._probe(train, waited_ms, interval_ms)
            return
        span_ms, bits = train.span_ms, 8.0 * train.bytes
        limited = not train.is_sender_limited(2.0 * jitter_ms)
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
        self._add(sample_bps, packets, span_ms, limited=limited, harmless=harmless)

    def _probe(self, train: PacketTrain, waited_ms: float, interval_ms: float) -> None:
        """A frame of one packet has no span: while such frames make no queue, the estimate grows.

        Only up to a multiple of their rate, so that a still picture doesn't pass for a fast link.
        """
        if self.measured_bps is not None and waited_ms < _PROBE_QUEUE_MS:
            limit_bps = _PROBE_RATIO * 1000.0 * train.bits / max(interval_ms, 1.0)
            probed_bps = min(limit_bps, _PROBE_UP * self.measured_bps)
            self.measured_bps = max(self.measured_bps, probed_bps)

    def _add(
        self, sample_bps: float, packets: float, span_ms: float, *, limited: bool, harmless: bool
    ) -> None:
        sample_bps = min(MAX_CAPACITY_BPS, sample_bps)
        bps = self.measured_bps
        if bps is None:
            # A train that the sender spread out is poor evidence, used only where none better came.
            self._sender_limited += 1
            if limited or sample_bps > _FAST_BPS or self._sender_limited > _MIN_LIMITED_TRAINS:
                self.measured_bps = sample_bps
        elif sample_bps > bps:
            # A short train may have passed within one of the link's bursts.
            sample_bps = min(sample_bps, (1.0 + packets / 4.0) * bps)
            self.measured_bps = bps + min(0.3, 0.03 * packets) * (sample_bps - bps)
        elif limited:
            # A longer train is surer; a small decrease, or one that delays nothing, is often noise.
            weight = min(0.8, max(0.1 * packets, span_ms / 100.0))
            if sample_bps > _STEP * bps or harmless:
                weight = min(0.25, weight)
            self.measured_bps = bps + weight * (max(sample_bps, bps / _MAX_FALL) - bps)
