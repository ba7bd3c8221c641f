"""Rate from packet trains: what the link carries, read off how each frame's packets arrive.

A frame that leaves the sender as a burst measures the link: the bits after its first packet over
the time from first to last arrival. Where the sender spread it out itself (its send times tell,
by abs-send-time) the train is only a lower bound. Growth of the relative one-way delay is the
queue on the way. Pure: times in ms are arguments.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from edge.rtc.clock import RTP_PER_MS, RtpUnwrapper, WindowedMinimum

MAX_CAPACITY_BPS = 200e6  # what a train read at memory speed is taken for
START_BPS = 6e6  # told before anything is known: a first frame leaves at once
MAX_REMB_BPS = 100e6
MIN_REMB_BPS = 150e3
_OVERHEAD_BYTES = 38  # IPv4, UDP and SRTP's tag, on every packet
_TRAIN_PACKETS = 4  # fewer tell little; short trains are pooled until they have twice as many
_POOL_PACKETS = 8
_DELAY_WINDOW_MS = 20_000.0
_RECENT = 128  # frames whose network time is remembered: 4 to 10 s; the oldest goes
_LOSS_WINDOW_MS = 2_000.0
_THROUGHPUT_MS = 1_000.0
_SHARE = 0.75  # of the link, where the estimate is what holds the encoder
_BUSY = 0.4  # of the link: below that it's something else that holds it
_LIMIT_MEMORY_MS = 5_000.0
_REMB_INTERVAL_MS = 500.0
_REMB_LEAST_MS = 30.0  # between two, even as it falls
_SEND_TIME_MS = 1000.0 / (1 << 18)  # abs-send-time counts seconds in 6.18 fixed point


@dataclass(slots=True)
class _Train:
    rtp: int
    first_ms: float
    last_ms: float
    first_sent_ms: float | None
    last_sent_ms: float | None
    first_bytes: int
    packets: int = 1
    bytes: int = 0  # after the first packet


class RateEstimator:
    """One sender's link, as the receiver sees it.

    `encoder_cap_bps` is what the sender was hinted to encode at most; with it, the estimate told
    (REMB) only has to let each frame leave as a burst. Without it, REMB is all the control.
    """

    def __init__(self) -> None:
        self.encoder_cap_bps: float | None = None
        self.base_ms = 0.0  # the least time on the way (half a round trip), if known
        self._capacity_bps: float | None = None
        self._provisional_bps: float | None = None  # of a train that is still coming in
        self._limited_ms = float("-inf")  # when a train was last slowed by the link
        self._pool = [0.0, 0.0, 0.0]  # short trains: packets, bits, ms
        self._network_ms: deque[float] = deque(maxlen=_RECENT)
        self._received: deque[tuple[float, float]] = deque(maxlen=_RECENT)  # (ms, bits) of frames
        self._told_bps = 0.0
        self._told_ms = float("-inf")
        self.restart()

    def restart(self) -> None:
        """Another source, with clocks and counts of its own; the link stays the same."""
        self._train: _Train | None = None
        self._provisional_bps = None
        self._sent = _SendTimes()
        self._unwrapper = RtpUnwrapper()
        self._delays = {True: WindowedMinimum(_DELAY_WINDOW_MS)}
        self._delays[False] = WindowedMinimum(_DELAY_WINDOW_MS)
        self._queue_ms = 0.0
        self._losses: deque[tuple[float, int, int]] = deque(maxlen=64)

    # -- what is learnt -------------------------------------------------------------------------

    def observe(
        self, rtp: int, size: int, marker: bool, arrival_ms: float, send_time: int | None = None
    ) -> None:
        """A packet that came in its turn (no retransmission): `size` in bytes after SRTP."""
        sent_ms = self._sent.unwrap(send_time) if send_time is not None else None
        train = self._train
        if train is not None and train.rtp != rtp:
            self._finish(train)
            train = None
        if train is None:
            self._train = train = _Train(
                rtp, arrival_ms, arrival_ms, sent_ms, sent_ms, size + _OVERHEAD_BYTES
            )
            self._observe_delay(train, arrival_ms)
        else:
            train.packets += 1
            train.bytes += size + _OVERHEAD_BYTES
            train.last_ms = arrival_ms
            train.last_sent_ms = sent_ms
            self._foresee(train, arrival_ms)
        if marker:
            self._finish(train)
            self._train = None

    def tick(self, now_ms: float) -> None:
        """Time passes with no packet: a train that has stalled shows a link that has slowed."""
        if self._train is not None:
            self._foresee(self._train, now_ms)

    def observe_counts(self, packets: int, missed: int, now_ms: float) -> None:
        """The stream's totals so far: packets that came in time, and packets that did not."""
        self._losses.append((now_ms, packets, missed))
        while len(self._losses) > 2 and now_ms - self._losses[1][0] > _LOSS_WINDOW_MS:
            self._losses.popleft()

    # -- what is known --------------------------------------------------------------------------

    @property
    def capacity_bps(self) -> float | None:
        """Bits a second that the link carries now; None before the first train."""
        if self._capacity_bps is None or self._provisional_bps is None:
            return self._capacity_bps
        return min(self._capacity_bps, self._provisional_bps)

    @property
    def queue_ms(self) -> float:
        """How much longer than at best the last frame's first packet was on the way."""
        return self._queue_ms

    @property
    def loss(self) -> float:
        """Share of packets lost at first sending, over the last two seconds."""
        if len(self._losses) < 2:
            return 0.0
        (_, packets0, missed0), (_, packets1, missed1) = self._losses[0], self._losses[-1]
        sent = packets1 - packets0 + missed1 - missed0
        return min(1.0, max(0.0, (missed1 - missed0) / sent)) if sent > 0 else 0.0

    def throughput_bps(self, now_ms: float) -> float:
        """Bits a second that came in over the last second."""
        since_ms = now_ms - _THROUGHPUT_MS
        bits = sum(bits for at_ms, bits in self._received if at_ms > since_ms)
        return 1000.0 * bits / _THROUGHPUT_MS

    def network_ms(self, quantile: float) -> float | None:
        """Quantile of recent frames' time from first sent to last received, None before any."""
        if not self._network_ms:
            return None
        ordered = sorted(self._network_ms)
        return ordered[min(len(ordered) - 1, int(quantile * len(ordered)))]

    # -- what to tell the sender ----------------------------------------------------------------

    def remb_bps(self, now_ms: float) -> float:
        """The estimate for the sender's pacer, and for its encoder where no cap was hinted."""
        capacity_bps = self.capacity_bps
        if capacity_bps is None:
            bps = START_BPS
        else:
            limited = now_ms - self._limited_ms < _LIMIT_MEMORY_MS
            busy = limited and self.throughput_bps(now_ms) > _BUSY * capacity_bps
            if self.encoder_cap_bps is not None:
                bps = max(2.0 * capacity_bps, 4.0 * self.encoder_cap_bps)
                drain_ms = 150.0  # the cap drains a queue; this is for a sender that ignores it
            else:
                # A frame may take its share of the time to the next one, or it queues behind it.
                bps = (_SHARE if busy else 2.0) * capacity_bps
                drain_ms = 30.0
            if self._queue_ms > drain_ms:
                drained_bps = capacity_bps * max(0.4, 1.0 - (self._queue_ms - drain_ms) / 250.0)
                bps = min(bps, drained_bps)
        return min(MAX_REMB_BPS, max(MIN_REMB_BPS, bps))

    def remb_falls(self, now_ms: float) -> bool:
        """Whether the estimate told last is too high by now."""
        return self.remb_bps(now_ms) <= 0.85 * self._told_bps

    def remb_due(self, now_ms: float) -> float | None:
        """The estimate if it is time to tell it: now and again, and at once when it falls."""
        bps = self.remb_bps(now_ms)
        falls = bps <= 0.85 * self._told_bps and now_ms - self._told_ms > _REMB_LEAST_MS
        if now_ms - self._told_ms < _REMB_INTERVAL_MS and not falls:
            return None
        self._told_ms, self._told_bps = now_ms, bps
        return bps

    # -- trains ---------------------------------------------------------------------------------

    def _observe_delay(self, train: _Train, arrival_ms: float) -> None:
        by_send_time = train.first_sent_ms is not None
        if train.first_sent_ms is not None:
            delay_ms = arrival_ms - train.first_sent_ms
        else:  # the encoder's time is in it too
            delay_ms = arrival_ms - self._unwrapper.advance(train.rtp) / RTP_PER_MS
        least = self._delays[by_send_time]
        least.observe(delay_ms, arrival_ms)
        least_ms = least.value()
        self._queue_ms = max(0.0, delay_ms - least_ms) if least_ms is not None else 0.0

    def _foresee(self, train: _Train, now_ms: float) -> None:
        """A train that takes long already bounds the link from above, before it has ended."""
        span_ms = now_ms - train.first_ms
        if self._capacity_bps is None or train.packets < _TRAIN_PACKETS or span_ms < 10.0:
            return
        if self._by_sender(train, span_ms):
            return
        bits = 8.0 * (train.bytes + train.bytes / (train.packets - 1))  # one more may be due now
        self._provisional_bps = 1000.0 * bits / span_ms

    def _by_sender(self, train: _Train, span_ms: float) -> bool:
        """Whether it was the sender that spread the train, not the link."""
        if train.first_sent_ms is None or train.last_sent_ms is None:
            return False
        return span_ms < 1.15 * (train.last_sent_ms - train.first_sent_ms) + 0.3

    def _finish(self, train: _Train) -> None:
        self._provisional_bps = None
        span_ms = train.last_ms - train.first_ms
        self._received.append((train.last_ms, 8.0 * (train.first_bytes + train.bytes)))
        self._network_ms.append(self.base_ms + self._queue_ms + span_ms)
        if train.packets < 2:
            return
        bits = 8.0 * train.bytes
        limited = not self._by_sender(train, span_ms)
        if not limited and train.first_sent_ms is not None and train.last_sent_ms is not None:
            # Read in one go though sent apart: the link is at least as fast as the sender was.
            span_ms = max(span_ms, train.last_sent_ms - train.first_sent_ms)
        packets: float = train.packets
        if packets < _TRAIN_PACKETS and limited:
            pool = self._pool
            pool[0], pool[1], pool[2] = pool[0] + packets, pool[1] + bits, pool[2] + span_ms
            if pool[0] < _POOL_PACKETS:
                return
            packets, bits, span_ms = pool
            self._pool = [0.0, 0.0, 0.0]
        sample_bps = min(MAX_CAPACITY_BPS, 1000.0 * bits / max(span_ms, 0.01))
        self._learn(sample_bps, packets, limited, train.last_ms)

    def _learn(self, sample_bps: float, packets: float, limited: bool, now_ms: float) -> None:
        if limited and sample_bps < MAX_REMB_BPS:
            self._limited_ms = now_ms
        if self._capacity_bps is None:
            self._capacity_bps = sample_bps
        elif sample_bps > self._capacity_bps:
            # A short train may have slipped through in one of the link's bursts.
            sample_bps = min(sample_bps, (1.0 + packets / 4.0) * self._capacity_bps)
            weight = min(0.3, 0.03 * packets)
            self._capacity_bps += weight * (sample_bps - self._capacity_bps)
        elif limited:
            weight = min(0.8, 0.1 * packets)  # a longer train is surer
            self._capacity_bps += weight * (sample_bps - self._capacity_bps)


class _SendTimes:
    """abs-send-time (24 bits, 64 s) as milliseconds that never wrap."""

    def __init__(self) -> None:
        self._last: int | None = None

    def unwrap(self, send_time: int) -> float:
        if self._last is None:
            self._last = send_time
        else:
            self._last += ((send_time - self._last + 0x800000) & 0xFFFFFF) - 0x800000
        return self._last * _SEND_TIME_MS
