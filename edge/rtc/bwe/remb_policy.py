"""The receiver's estimate (REMB, draft-alvestrand-rmcat-remb-03) for the publisher's pacer, and for
its encoder where no cap was hinted. Pure: times in ms are arguments."""

from __future__ import annotations

from edge.base.sliding_windows import BitrateWindow
from edge.rtc.bwe.capacity_estimator import CapacityEstimator
from edge.rtc.bwe.encoder_output import EncoderOutput
from edge.rtc.bwe.queue_estimator import QueueEstimator

START_BPS = 6e6  # before anything is known: a first frame leaves at once
MAX_REMB_BPS = 100e6
MIN_REMB_BPS = 150e3
_SHARE = 0.75  # of the link, where only the estimate limits the encoder
_BUSY = 0.4  # of the link: an encoder that sends less is limited by something else
_LIMIT_MEMORY_MS = 5_000.0
_IGNORED_MS = 1_000.0  # a cap under which a queue has stood for so long is not obeyed
_INTERVAL_MS = 500.0
_MIN_INTERVAL_MS = 15.0  # even while the estimate falls
_FALL = 0.85  # of the estimate sent last: a lower one is sent at once
_QUEUE_ALLOWED_MS = 20.0  # before the estimate yields to the queue


class RembPolicy:
    """The estimate to send, and when.

    Where the encoder obeys a cap, the estimate only has to let each frame leave as a burst, and
    stays above `max_cap_bps`, the highest cap there may be: Chromium lets a lowered estimate grow
    by only 8 % a second.
    """

    def __init__(
        self,
        capacity: CapacityEstimator,
        queue: QueueEstimator,
        encoder: EncoderOutput,
        received: BitrateWindow,
    ) -> None:
        self.max_cap_bps: float | None = None
        self._capacity = capacity
        self._queue = queue
        self._encoder = encoder
        self._received = received
        self._sent_bps = 0.0
        self._sent_ms = float("-inf")

    def bps(self, now_ms: float) -> float:
        capacity_bps, cap_bps = self._capacity.bps, self._encoder.cap_bps
        if capacity_bps is None:
            bps = START_BPS
        elif cap_bps is not None and not self._is_ignored(cap_bps, now_ms):
            bps = max(2.0 * capacity_bps, 4.0 * cap_bps, 2.0 * (self.max_cap_bps or 0.0))
        else:
            bps = self._share_bps(capacity_bps, now_ms)
        return min(MAX_REMB_BPS, max(MIN_REMB_BPS, bps))

    def is_falling(self, now_ms: float) -> bool:
        """Whether the estimate sent last is too high now."""
        return self.bps(now_ms) <= _FALL * self._sent_bps

    def due(self, now_ms: float) -> float | None:
        """The estimate if it is time to send one: at intervals, and at once when it falls."""
        bps = self.bps(now_ms)
        falls = bps <= _FALL * self._sent_bps and now_ms - self._sent_ms > _MIN_INTERVAL_MS
        if now_ms - self._sent_ms < _INTERVAL_MS and not falls:
            return None
        self._sent_ms, self._sent_bps = now_ms, bps
        return bps

    def _share_bps(self, capacity_bps: float, now_ms: float) -> float:
        """The estimate where nothing else limits the encoder.

        A frame may take its share of the time to the next one, or it queues behind it.
        """
        measured_bps = self._capacity.measured_bps or START_BPS
        limited = now_ms - self._capacity.limited_ms < _LIMIT_MEMORY_MS
        busy = limited and self._received.bps(now_ms) > _BUSY * measured_bps
        bps = (_SHARE if busy else 2.0) * measured_bps
        queue_ms = self._queue.ms
        if (
            queue_ms <= _QUEUE_ALLOWED_MS
        ):  # the present bitrate makes no queue, whatever jitter does
            return max(bps, 1.05 * self._encoder.bps)
        return min(bps, (capacity_bps or measured_bps) * max(0.4, _SHARE - queue_ms / 400.0))

    def _is_ignored(self, cap_bps: float, now_ms: float) -> bool:
        """Whether the encoder makes more than its cap, and a queue with it."""
        since_ms = self._queue.since_ms
        if since_ms is None or now_ms - since_ms < _IGNORED_MS:
            return False
        limit_bps = max(2.5 * cap_bps, 0.5 * (self._capacity.measured_bps or 0.0))
        return self._encoder.bps > limit_bps
