"""One sender's link as the receiver sees it: capacity, queue, loss, and the estimate to send back.

Each frame's packet train measures the capacity (`capacity_estimator`), its delays show the queue
(`queue_estimator`), its bits the encoder (`encoder_output`); `remb_policy` makes the estimate of
them. Pure: times in ms are arguments.
"""

from __future__ import annotations

from edge.base.sliding_windows import BitrateWindow, QuantileWindow
from edge.rtc.bwe.capacity_estimator import CapacityEstimator
from edge.rtc.bwe.encoder_output import EncoderOutput
from edge.rtc.bwe.packet_train import OVERHEAD_BYTES, PacketTrain
from edge.rtc.bwe.queue_estimator import QUEUE_STEP_MS, QueueEstimator
from edge.rtc.bwe.remb_policy import RembPolicy
from edge.rtc.clock.media_clock import MediaClock
from edge.rtc.reception_stats import LossWindow
from edge.rtc.rtp import RTP_PER_MS, SEND_TIME_MS
from edge.rtc.unwrapper import Unwrapper

_MAX_FRAMES = 128  # remembered: 4 to 10 s; the oldest goes
_THROUGHPUT_MS = 1_000.0
_CAPACITY_STEP = 0.7  # of the capacity known: less is a step
_EMPTY = 1.5  # frame intervals without a packet from an encoder that leaves out frames: no queue
_SILENT_INTERVALS, _MIN_SILENT_MS = 5.0, 200.0  # longer than an encoder's pause
_STANDSTILL_MS = 15.0  # without a packet in mid-train
_LOST_END_MS = 60.0  # and a round trip: by then a NACK for a train's end has been answered
_MIN_SPAN_MS = 8.0  # of an incomplete train that is evidence


class BandwidthEstimator:
    """One sender's link. `remb.max_cap_bps` is to be set where the encoder's cap is hinted."""

    def __init__(self) -> None:
        self.one_way_ms = 0.0
        """The least one-way delay (half a round trip), if known."""
        self._capacity = CapacityEstimator()
        self._queue = QueueEstimator()
        self._encoder = EncoderOutput()
        self._received = BitrateWindow(_THROUGHPUT_MS, _MAX_FRAMES)
        self.remb = RembPolicy(self._capacity, self._queue, self._encoder, self._received)
        self._network_ms = QuantileWindow(_MAX_FRAMES)
        self._reference_bps: float | None = None  # that a step is measured from
        self._reference_queue_ms = 0.0
        self.restart()

    def restart(self) -> None:
        """Another source, with clocks and counts of its own; the link stays the same."""
        for part in (self._capacity, self._queue, self._encoder):
            part.restart()
        self._train: PacketTrain | None = None
        self._cut_rtp: int | None = None  # of the last train cut short by a loss
        self._ended_ms = float("-inf")  # the last train
        self._send_times, self._media = Unwrapper(24), MediaClock(32, RTP_PER_MS)
        self._losses = LossWindow()

    # -- input ----------------------------------------------------------------------------------

    def observe(
        self, rtp: int, size: int, marker: bool, arrival_ms: float, send_time: int | None = None
    ) -> None:
        """A packet that came in order (no retransmission): `size` in bytes after SRTP."""
        self._media.observe(rtp, marker, arrival_ms)
        if rtp == self._cut_rtp:
            self._cut_rtp = None if marker else rtp
            return
        sent_ms = None if send_time is None else self._send_times.unwrap(send_time) * SEND_TIME_MS
        train = self._train
        if train is not None and train.rtp != rtp:
            self._finish(train)
            train = None
        if train is None:
            self._train = train = PacketTrain(
                rtp, arrival_ms, arrival_ms, sent_ms, sent_ms, size + OVERHEAD_BYTES
            )
            self._begin(train)
        else:
            train.add(size, arrival_ms, sent_ms)
            self._foresee(train, arrival_ms)
        if marker:
            self._finish(train)
            self._train = None

    def observe_retransmission(self, rtp: int, arrival_ms: float) -> None:
        """A retransmission came: a train of that frame that stands still has lost its end."""
        train = self._train
        if train is not None and train.rtp == rtp and arrival_ms - train.last_ms > _STANDSTILL_MS:
            self._train, self._cut_rtp = None, rtp
            self._capacity.lift_bound()
            self._queue.cut_short()

    def observe_counts(self, packets: int, missed: int, now_ms: float) -> None:
        """The stream's totals so far: packets received, and packets missing."""
        self._losses.add(packets, missed, now_ms)

    def set_cap(self, bps: float, now_ms: float) -> None:
        """The sender confirmed that from now on it encodes this much at most."""
        self._encoder.set_cap(bps, now_ms)

    def tick(self, now_ms: float) -> None:
        """Time passes with no packet: a train that stalls, or silence, shows a link that slowed.

        Where packets are lost, a train's end may be: then the answer to a NACK is awaited first.
        """
        train = self._train
        if train is not None and train.packets > 1:
            doubt_ms = _LOST_END_MS + 2.0 * self.one_way_ms if self.loss > 0.0 else 0.0
            if now_ms - train.last_ms >= doubt_ms:
                self._foresee(train, now_ms)
        elif self._queue.began_ms is not None:
            repaid_ms = self._encoder.repaid_ms
            quiet_ms = now_ms - self._ended_ms
            # In debt, the encoder leaves out frames: all that it sent has come, nothing follows.
            leaves_out = train is None and now_ms < repaid_ms
            if leaves_out and quiet_ms > _EMPTY * self._queue.interval_ms:
                self._queue.drained()
            silent_ms = now_ms - max(self._queue.began_ms, repaid_ms)
            if silent_ms > self._max_pause_ms:
                self._queue.silent(silent_ms)
                self._capacity.bound_by_silence(self._encoder.mean_bits, silent_ms)

    # -- estimates ------------------------------------------------------------------------------

    @property
    def capacity_bps(self) -> float | None:
        """Bits a second that the link carries now; None before the first train."""
        return self._capacity.bps

    @property
    def queue_ms(self) -> float:
        """The next frame's expected wait on the link."""
        return self._queue.ms

    @property
    def loss(self) -> float:
        """Share of packets lost at first sending, over the last two seconds."""
        return self._losses.share

    def throughput_bps(self, now_ms: float) -> float:
        """Bits a second received over the last second."""
        return self._received.bps(now_ms)

    def frame_bits(self, now_ms: float) -> float | None:
        """Of a usual frame under the cap in force; None where too few came recently."""
        if now_ms - self._ended_ms > self._max_pause_ms:
            return None
        return self._encoder.usual_bits

    def network_ms(self, quantile: float) -> float | None:
        """Quantile of recent frames' time from first sent to last received; None before any."""
        return self._network_ms.quantile(quantile)

    def detect_step(self, now_ms: float) -> bool:
        """Whether the link got much worse since the last step: capacity gone, or a queue.

        To be called after every packet and tick, with the same `now_ms`; each step counts once.
        """
        queue_ms = self._queue.track(now_ms)
        if queue_ms == 0.0:
            self._reference_queue_ms = 0.0
        bps, known_bps = self.capacity_bps, self._reference_bps
        if bps is not None and (known_bps is None or bps > known_bps):
            self._reference_bps = known_bps = bps
        fell = bps is not None and known_bps is not None and bps < _CAPACITY_STEP * known_bps
        grew = queue_ms > max(QUEUE_STEP_MS, 2.0 * self._reference_queue_ms)
        if fell:
            self._reference_bps = bps
        if grew:
            self._reference_queue_ms = queue_ms
        return fell or grew

    # -- trains ---------------------------------------------------------------------------------

    @property
    def _max_pause_ms(self) -> float:
        """The longest time without a packet that may be the encoder's doing."""
        return max(_MIN_SILENT_MS, _SILENT_INTERVALS * self._queue.interval_ms)

    def _begin(self, train: PacketTrain) -> None:
        # The sender's clock may be a wrong one: its time is that of the frame's earliest arrival.
        rtp_ms = train.first_ms - self._media.waited_ms(train.rtp, train.first_ms)
        self._queue.begin_frame(train.first_ms, train.first_sent_ms, rtp_ms)
        self._encoder.begin_frame(rtp_ms, train.first_ms - self._queue.waited_ms)
        self._capacity.lift_bound()

    def _foresee(self, train: PacketTrain, now_ms: float) -> None:
        """A train that takes long shows it before it is complete."""
        span_ms = now_ms - train.first_ms
        if self._capacity.measured_bps is None or train.packets < 2 or span_ms < _MIN_SPAN_MS:
            return
        self._queue.extend_frame(span_ms)
        whole_ms = self._capacity.bound_by(
            train,
            now_ms,
            waited_ms=self._queue.waited_ms,
            interval_ms=self._queue.interval_ms,
            frame_bits=self._encoder.mean_bits,
        )
        if whole_ms is not None:
            self._queue.foresee(whole_ms)

    def _finish(self, train: PacketTrain) -> None:
        self._ended_ms = train.last_ms
        queue = self._queue
        self._received.add(train.bits, train.last_ms)
        self._network_ms.add(self.one_way_ms + queue.waited_ms + train.span_ms, train.last_ms)
        self._encoder.end_frame(train.bits, train.last_ms)
        queue.end_frame(train.span_ms)
        self._capacity.learn(train, queue.waited_ms, queue.interval_ms, queue.jitter_ms)
