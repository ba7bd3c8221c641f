"""The response to a queue on the link: drain it, or share the link where it doesn't drain.

A queue that a lower bitrate does not drain is another flow's: yielding to it would starve the
session (as in Copa's competitive mode, NSDI 2018). Pure: times in ms are arguments.
"""

from __future__ import annotations

from math import inf

MIN_SHARE = 0.3  # of the capacity, kept beside another flow
MAX_SHARE = 0.75  # of the capacity, that video may fill in the long run
ALLOWED_LOSS = 0.03  # of the packets; more is congestion
_DRAINED_MS = 500.0  # without a queue: the next one is a queue of its own
_COMPETING_MS = 1_500.0  # a queue that has not drained by then is another flow's
_FORGET_MS = 5_000.0  # without a queue: the length of the last one is no reference any more
_CUT_INTERVAL_MS = 400.0  # between two cuts for the same queue
_DRAIN_MS = 120.0  # a queue this long makes every frame late: drain it as fast as possible
_MIN_DRAIN_PART = 0.15  # of the capacity, kept while draining: a starved encoder pauses afterwards
_SHARE_STEP, _SHARE_INTERVAL_MS = 0.03, 500.0
_SHARE_CUT = 0.15  # of the share


class QueueResponse:
    """Follows one queue after another; `found` or `absent` at every observation."""

    def __init__(self) -> None:
        self.last_ms = -inf
        """When there last was a queue."""
        self._since_ms: float | None = None
        self._cut_ms = -inf
        self._cut_bps: float | None = None
        self._cut_queue_ms = 0.0  # the queue at the last cut
        self._share = MIN_SHARE
        self._share_ms, self._share_queue_ms = -inf, 0.0  # when the share changed, the queue then

    def is_competing(self, now_ms: float) -> bool:
        """Whether there is a queue that a lower bitrate did not drain."""
        return self._since_ms is not None and now_ms - self._since_ms > _COMPETING_MS

    def found(self, now_ms: float) -> None:
        """There is a queue."""
        self.last_ms = now_ms
        if self._since_ms is None:
            self._since_ms = now_ms
            self._share = MIN_SHARE

    def absent(self, now_ms: float) -> None:
        """There is no queue."""
        self._cut_bps = None
        if now_ms - self.last_ms > _DRAINED_MS:
            self._since_ms = None
        if now_ms - self.last_ms > _FORGET_MS:
            self._cut_queue_ms = 0.0

    def drain_bps(
        self,
        queue_ms: float,
        capacity_bps: float,
        crossing_ms: float,
        bps: float | None,
        now_ms: float,
    ) -> float:
        """The bitrate that drains a queue of `queue_ms`; `bps` is the cap in force."""
        # The same queue in spite of a lower bitrate is another flow's, and no reason for a cut.
        grew = queue_ms > 1.2 * self._cut_queue_ms + 3.0
        if bps is not None and now_ms - self._cut_ms >= _CUT_INTERVAL_MS and grew:
            self._cut_ms, self._cut_queue_ms = now_ms, queue_ms
            self._cut_bps = bps * max(0.4, 1.0 - queue_ms / max(25.0, 2.8 * crossing_ms))
        drained_bps = capacity_bps * max(_MIN_DRAIN_PART, 1.0 - queue_ms / _DRAIN_MS)
        return min(drained_bps, self._cut_bps or inf)

    @property
    def share(self) -> float:
        """Of the capacity, beside another flow."""
        return self._share

    def adapt_share(self, queue_ms: float, loss: float, now_ms: float) -> float:
        """The share, a step higher while the queue does not grow, lower when it does."""
        if now_ms - self._share_ms >= _SHARE_INTERVAL_MS:
            worse = loss > ALLOWED_LOSS or queue_ms > 1.2 * self._share_queue_ms + 5.0
            self._share += -_SHARE_CUT * self._share if worse else _SHARE_STEP
            self._share = min(MAX_SHARE, max(MIN_SHARE, self._share))
            self._share_ms, self._share_queue_ms = now_ms, queue_ms
        return self._share
