"""Rate from packet trains: what the link carries, and the estimate that its sender is told.

Each frame's packet train measures the capacity (`edge.rtc.bwe.packet_train`), in mid-frame already
where it takes too long. Growth of the relative one-way delay is the queue on the way; so are a
frame that runs on into the time of the next, and silence where a frame was due. Pure: times in ms
are arguments.
"""

from __future__ import annotations

from collections import deque
from itertools import islice

from edge.rtc.bwe.packet_train import (
    HARMLESS,
    OVERHEAD_BYTES,
    TRAIN_PACKETS,
    CapacityEstimate,
    PacketTrain,
    SendTimes,
)
from edge.rtc.capture_clock import RTP_PER_MS, RtpUnwrapper, WindowedMinimum

START_BPS = 6e6  # told before anything is known: a first frame leaves at once
MAX_REMB_BPS = 100e6
MIN_REMB_BPS = 150e3
_DELAY_WINDOW_MS = 20_000.0
_RECENT = 128  # frames whose network time is remembered: 4 to 10 s; the oldest goes
_USUAL_FRAMES, _USUAL_LEAST = 5, 3  # whose median is a usual frame
_LOSS_WINDOW_MS = 2_000.0
_THROUGHPUT_MS = 1_000.0
_SHARE = 0.75  # of the link, where the estimate is what holds the encoder
_BUSY = 0.4  # of the link: below that it's something else that holds it
_LIMIT_MEMORY_MS = 5_000.0
_IGNORED_MS = 1_000.0  # a cap that has not drained a queue by then is not obeyed
_REMB_INTERVAL_MS = 500.0
_REMB_LEAST_MS = 15.0  # between two, even as it falls
_STEP = 0.7  # of the capacity known: less is a step
_QUEUE_STEP_MS = 25.0
_QUEUE_ALLOWED_MS = 20.0  # before the estimate yields to it
_EMPTY = 1.5  # frame intervals without a packet from an encoder that leaves out frames: no queue
_SILENT_INTERVALS, _SILENT_LEAST_MS = 5.0, 200.0  # without a packet: the link may be gone
_OWED_MS, _PAID_MS = 200.0, 2_500.0  # of bits that an encoder may owe; in which it pays at most
_MAX_QUEUE_MS = 10_000.0
_STANDSTILL_MS = 15.0  # without a packet in mid-train
_LOST_END_MS = 60.0  # and a round trip: by then a NACK for a train's end has been answered


class BandwidthEstimator:
    """One sender's link, as the receiver sees it.

    Where the sender's encoder is `capped`, the estimate told (REMB) only has to let each frame
    leave as a burst; else REMB is all the control. `most_bps` is the highest cap there may be: the
    estimate stays above it, because Chromium lets one that fell grow by 8 % a second only.
    """

    def __init__(self) -> None:
        self._cap_bps: float | None = None
        self._capped_ms = float("-inf")
        self._owed = (0.0, 0.0)  # (ms, bits) that the encoder made beyond its cap
        self.most_bps: float | None = None
        self.base_ms = 0.0  # the least time on the way (half a round trip), if known
        self._capacity = CapacityEstimate()
        self._network_ms: deque[float] = deque(maxlen=_RECENT)
        self._received: deque[tuple[float, float]] = deque(maxlen=_RECENT)  # (ms, bits) of frames
        self._told_bps = 0.0
        self._told_ms = float("-inf")
        self._reference_bps: float | None = None  # that a step is measured from
        self._reference_queue_ms = 0.0
        self._queued_since_ms: float | None = None
        self.restart()

    def restart(self) -> None:
        """Another source, with clocks and counts of its own; the link stays the same."""
        self._train: PacketTrain | None = None
        self._restored_rtp: int | None = None  # of the last train cut short by a loss
        self._provisional_bps: float | None = None  # of a train that is still coming in
        self._sent = SendTimes()
        self._unwrapper = RtpUnwrapper()
        self._delays = {True: WindowedMinimum(_DELAY_WINDOW_MS)}
        self._delays[False] = WindowedMinimum(_DELAY_WINDOW_MS)
        self._waited_ms = (0.0, 0.0)  # the last frame's first packet: foreseen, and measured
        self._overrun_ms = 0.0  # of the last frame, into the time of the next
        self._silent_ms = 0.0
        self._began_ms: float | None = None  # the last frame
        self._ended_ms = float("-inf")
        self._interval_ms = 1000.0 / 15.0  # between frames
        self._frame_bits = 0.0  # of a usual frame
        self._jitter_ms = 0.0  # from one frame's wait to the next's
        self._spread_ms = 0.0  # by which trains usually exceed what their bits take
        self._losses: deque[tuple[float, int, int]] = deque(maxlen=64)
        self._made: deque[tuple[float, float]] = deque(maxlen=_RECENT)  # (RTP time in ms, bits)
        self._rtp_ms, self._late_cap = 0.0, False  # of the last frame

    # -- what is learnt -------------------------------------------------------------------------

    def observe(
        self, rtp: int, size: int, marker: bool, arrival_ms: float, send_time: int | None = None
    ) -> None:
        """A packet that came in its turn (no retransmission): `size` in bytes after SRTP."""
        if rtp == self._restored_rtp:
            return  # its train was cut short by a loss
        sent_ms = self._sent.unwrap(send_time) if send_time is not None else None
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

    def restored(self, rtp: int, arrival_ms: float) -> None:
        """A retransmission came: a train of that frame that stands still has lost its end."""
        train = self._train
        if train is not None and train.rtp == rtp and arrival_ms - train.last_ms > _STANDSTILL_MS:
            self._train, self._restored_rtp = None, rtp
            self._provisional_bps, self._overrun_ms = None, 0.0

    def tick(self, now_ms: float) -> None:
        """Time passes with no packet: a train that stalls, or silence, shows a link that slowed.

        Where packets are lost, a train's end may be: then the answer to a NACK is awaited first.
        """
        train = self._train
        if train is not None and train.packets > 1:
            doubt_ms = _LOST_END_MS + 2.0 * self.base_ms if self.loss > 0.0 else 0.0
            if now_ms - train.last_ms >= doubt_ms:
                self._foresee(train, now_ms)
        elif self._began_ms is not None:
            # An encoder that made more than its cap leaves out frames until that is made up for:
            # all that it sent has come, and nothing follows.
            quiet_ms = now_ms - self._ended_ms
            if train is None and now_ms < self._paid_ms and quiet_ms > _EMPTY * self._interval_ms:
                self._waited_ms, self._overrun_ms = (0.0, 0.0), 0.0
            silent_ms = now_ms - max(self._began_ms, self._paid_ms)
            if silent_ms > self._due_ms:
                self._silent_ms = silent_ms - self._interval_ms
                self._provisional_bps = 1000.0 * self._frame_bits / silent_ms

    @property
    def _due_ms(self) -> float:
        """Without a packet: so long is no encoder's pause."""
        return max(_SILENT_LEAST_MS, _SILENT_INTERVALS * self._interval_ms)

    def capped(self, bps: float, now_ms: float) -> None:
        """The sender said that from now on it encodes this much at most, as it was hinted to."""
        self._owe(0.0, now_ms)
        if self._cap_bps is None or bps < self._cap_bps:
            self._made.clear()  # under another cap
            self._capped_ms = now_ms
        self._cap_bps = bps

    def _owe(self, bits: float, now_ms: float) -> None:
        """The encoder made so many; what it owes melts at the rate of its cap."""
        since_ms, owed = self._owed
        if self._cap_bps is not None:
            owed = max(0.0, owed - self._cap_bps * max(0.0, now_ms - since_ms) / 1000.0)
            most = max(bits, self._cap_bps * _OWED_MS / 1000.0)
            self._owed = (now_ms, min(owed + bits, most) if bits else owed)

    @property
    def _paid_ms(self) -> float:
        """When the encoder will owe nothing."""
        since_ms, owed = self._owed
        pays_ms = 1000.0 * owed / max(self._cap_bps or 0.0, 1.0)
        return since_ms + min(pays_ms, _PAID_MS)

    def observe_counts(self, packets: int, missed: int, now_ms: float) -> None:
        """The stream's totals so far: packets that came in time, and packets that did not."""
        self._losses.append((now_ms, packets, missed))
        while len(self._losses) > 2 and now_ms - self._losses[1][0] > _LOSS_WINDOW_MS:
            self._losses.popleft()

    # -- what is known --------------------------------------------------------------------------

    @property
    def capacity_bps(self) -> float | None:
        """Bits a second that the link carries now; None before the first train."""
        bps = self._capacity.bps
        if bps is None or self._provisional_bps is None:
            return bps
        return min(bps, self._provisional_bps)

    @property
    def queue_ms(self) -> float:
        """How long the next frame will wait, as far as can be seen.

        One frame that waited unforeseen may be a radio's jitter: it takes two.
        """
        expected_ms = max(min(self._waited_ms), self._overrun_ms, self._silent_ms)
        return min(_MAX_QUEUE_MS, max(0.0, expected_ms))

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

    def _made_bps(self) -> float:
        """Bits a second that the encoder made of late, by its own clock, however they came."""
        if not self._made:
            return 0.0
        newest_ms = self._made[-1][0]
        since_ms = newest_ms - _THROUGHPUT_MS
        bits = sum(bits for at_ms, bits in self._made if since_ms < at_ms <= newest_ms)
        return 1000.0 * bits / _THROUGHPUT_MS

    def frame_bits(self, now_ms: float) -> float | None:
        """Of a usual frame under the cap in force: a median; None where too few came of late."""
        if len(self._made) < _USUAL_LEAST or now_ms - self._ended_ms > self._due_ms:
            return None
        sizes = sorted(bits for _, bits in islice(reversed(self._made), _USUAL_FRAMES))
        return sizes[len(sizes) // 2]

    def network_ms(self, quantile: float) -> float | None:
        """Quantile of recent frames' time from first sent to last received, None before any."""
        if not self._network_ms:
            return None
        ordered = sorted(self._network_ms)
        return ordered[min(len(ordered) - 1, int(quantile * len(ordered)))]

    def stepped(self, now_ms: float) -> bool:
        """Whether the link got much worse since this last said so: capacity gone, or a queue.

        To be asked with every packet and tick; `now_ms` is theirs.
        """
        queue_ms = self.queue_ms
        if queue_ms < 0.4 * _QUEUE_STEP_MS:
            self._reference_queue_ms = 0.0
            self._queued_since_ms = None
        elif self._queued_since_ms is None:
            self._queued_since_ms = now_ms
        bps, known_bps = self.capacity_bps, self._reference_bps
        if bps is not None and (known_bps is None or bps > known_bps):
            self._reference_bps = known_bps = bps
        fell = bps is not None and known_bps is not None and bps < _STEP * known_bps
        grew = queue_ms > max(_QUEUE_STEP_MS, 2.0 * self._reference_queue_ms)
        if fell:
            self._reference_bps = bps
        if grew:
            self._reference_queue_ms = queue_ms
        return fell or grew

    # -- what to tell the sender ----------------------------------------------------------------

    def remb_bps(self, now_ms: float) -> float:
        """The estimate for the sender's pacer, and for its encoder where no cap was hinted."""
        capacity_bps = self.capacity_bps
        if capacity_bps is None:
            bps = START_BPS
        elif self._cap_bps is not None and not self._ignored(now_ms):
            bps = max(2.0 * capacity_bps, 4.0 * self._cap_bps, 2.0 * (self.most_bps or 0.0))
        else:
            bps = self._share_bps(now_ms)
        return min(MAX_REMB_BPS, max(MIN_REMB_BPS, bps))

    def _share_bps(self, now_ms: float) -> float:
        """Where only the estimate holds the encoder.

        A frame may take its share of the time to the next one, or it queues behind it. Care goes
        both ways: what the sender's estimate loses, it regains by 8 % a second.
        """
        capacity_bps = self._capacity.bps or START_BPS
        limited = now_ms - self._capacity.limited_ms < _LIMIT_MEMORY_MS
        busy = limited and self.throughput_bps(now_ms) > _BUSY * capacity_bps
        bps = (_SHARE if busy else 2.0) * capacity_bps
        if self.queue_ms <= _QUEUE_ALLOWED_MS:  # what is sent makes no queue, whatever jitter does
            return max(bps, 1.05 * self._made_bps())
        capacity_bps = self.capacity_bps or capacity_bps
        return min(bps, capacity_bps * max(0.4, _SHARE - self.queue_ms / 400.0))

    def _ignored(self, now_ms: float) -> bool:
        """Whether the sender makes more than its cap, and a queue with it."""
        since_ms = self._queued_since_ms
        if since_ms is None or now_ms - since_ms < _IGNORED_MS or self._cap_bps is None:
            return False
        return self._made_bps() > max(2.5 * self._cap_bps, 0.5 * (self._capacity.bps or 0.0))

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

    def _begin(self, train: PacketTrain) -> None:
        arrival_ms = train.first_ms
        rtp_ms = self._unwrapper.advance(train.rtp) / RTP_PER_MS
        by_send_time = train.first_sent_ms is not None
        if train.first_sent_ms is not None:
            delay_ms = arrival_ms - train.first_sent_ms
        else:  # the encoder's time is in it too
            delay_ms = arrival_ms - rtp_ms
        least = self._delays[by_send_time]
        least.observe(delay_ms, arrival_ms)
        least_ms = least.value()
        waited_ms = max(0.0, delay_ms - least_ms) if least_ms is not None else 0.0
        if self._began_ms is not None and 0.0 < arrival_ms - self._began_ms < 1000.0:
            self._interval_ms += 0.1 * (arrival_ms - self._began_ms - self._interval_ms)
        self._began_ms = arrival_ms
        self._rtp_ms, self._late_cap = rtp_ms, arrival_ms - waited_ms < self._capped_ms
        change_ms = min(10.0, abs(waited_ms - self._waited_ms[1]))
        self._jitter_ms += 0.05 * (change_ms - self._jitter_ms)
        self._waited_ms = (max(self._waited_ms[1], self._overrun_ms), waited_ms)
        self._silent_ms = self._overrun_ms = 0.0
        self._provisional_bps = None

    def _foresee(self, train: PacketTrain, now_ms: float) -> None:
        """A train that takes long already bounds the link from above, before it has ended."""
        capacity_bps, span_ms = self._capacity.bps, now_ms - train.first_ms
        if capacity_bps is None or train.packets < 2 or span_ms < 8.0:
            return
        # A frame that is too large runs on into the time of the next.
        self._overrun_ms = max(self._overrun_ms, self._waited_ms[1] + span_ms - self._interval_ms)
        more = train.packets / (train.packets - 1)  # one more packet may be due now
        if train.last_sent_ms is not None and span_ms < 1.15 * more * train.sent_span_ms + 0.3:
            return
        bits = 8.0 * train.bytes * more
        excess_ms = span_ms - 1000.0 * bits / capacity_bps
        doubt_ms = 5.0 if train.packets >= TRAIN_PACKETS else 12.0
        if excess_ms < doubt_ms + 2.0 * self._spread_ms:
            return
        foreseen_bps = 1000.0 * bits / span_ms
        rest_ms = max(0.0, self._frame_bits - train.bits) * 1000.0 / foreseen_bps
        whole_ms = self._waited_ms[1] + span_ms + rest_ms
        if whole_ms > HARMLESS * self._interval_ms:
            self._provisional_bps = foreseen_bps
            self._overrun_ms = whole_ms - self._interval_ms

    def _finish(self, train: PacketTrain) -> None:
        self._provisional_bps = None
        span_ms, waited_ms = train.span_ms, self._waited_ms[1]
        known_bps = self._capacity.bps
        self._ended_ms = train.last_ms
        self._received.append((train.last_ms, train.bits))
        self._owe(train.bits, train.last_ms)
        if not self._late_cap:
            self._made.append((self._rtp_ms, train.bits))
        self._network_ms.append(self.base_ms + waited_ms + span_ms)
        self._overrun_ms = waited_ms + span_ms - self._interval_ms
        self._frame_bits += 0.2 * (train.bits - self._frame_bits)
        if known_bps is not None and not train.by_sender(self._jitter_ms):
            excess_ms = span_ms - 8000.0 * train.bytes / max(known_bps, 1.0)
            excess_ms = min(15.0, max(0.0, excess_ms))
            self._spread_ms += 0.1 * (excess_ms - self._spread_ms)
        self._capacity.learn(train, waited_ms, self._interval_ms, self._jitter_ms)
