"""A link's queue, in ms, from three signs: growth of the relative one-way delay, a frame that
runs on into the time of the next, and silence where a frame was due. Pure: times in ms are
arguments."""

from __future__ import annotations

from edge.base.sliding_windows import MinimumWindow

QUEUE_STEP_MS = 25.0  # growth that is a step of the link
_NO_QUEUE_MS = 0.4 * QUEUE_STEP_MS
_MAX_QUEUE_MS = 10_000.0
_DELAY_WINDOW_MS = 20_000.0
_FIRST_INTERVAL_MS = 1000.0 / 15.0


class QueueEstimator:
    """The next frame's expected wait on the link."""

    def __init__(self) -> None:
        self.since_ms: float | None = None
        """Since when there has been a queue without a break; None while there is none."""
        self.restart()

    def restart(self) -> None:
        """Another source, with clocks of its own."""
        # By the sender's clock: abs-send-time, or the RTP clock where there are no send times.
        self._delays = {clock: MinimumWindow(_DELAY_WINDOW_MS) for clock in ("send", "rtp")}
        self.interval_ms = _FIRST_INTERVAL_MS  # between frames
        self.jitter_ms = 0.0  # from one frame's wait to the next's
        self.waited_ms = 0.0  # the last frame's first packet, measured
        self._foreseen_ms = 0.0  # the same, as foreseen before it came
        self._overrun_ms = 0.0  # of the last frame, into the time of the next
        self._silent_ms = 0.0
        self.began_ms: float | None = None  # the last frame; None before the first

    @property
    def ms(self) -> float:
        """One frame that waited unforeseen may be a radio's jitter: a queue takes two."""
        waited_ms = min(self._foreseen_ms, self.waited_ms)
        return min(_MAX_QUEUE_MS, max(0.0, waited_ms, self._overrun_ms, self._silent_ms))

    def begin_frame(self, arrival_ms: float, sent_ms: float | None, encoded_ms: float) -> None:
        """A frame's first packet: its arrival, its send time, its time on the RTP clock."""
        # Without send times, the encoder's own delay is part of what is measured.
        clock = "rtp" if sent_ms is None else "send"
        delay_ms = arrival_ms - (encoded_ms if sent_ms is None else sent_ms)
        window = self._delays[clock]
        window.add(delay_ms, arrival_ms)
        minimum_ms = window.minimum()
        waited_ms = max(0.0, delay_ms - minimum_ms) if minimum_ms is not None else 0.0
        if self.began_ms is not None and 0.0 < arrival_ms - self.began_ms < 1000.0:
            self.interval_ms += 0.1 * (arrival_ms - self.began_ms - self.interval_ms)
        self.began_ms = arrival_ms
        change_ms = min(10.0, abs(waited_ms - self.waited_ms))
        self.jitter_ms += 0.05 * (change_ms - self.jitter_ms)
        self._foreseen_ms = max(self.waited_ms, self._overrun_ms)
        self.waited_ms = waited_ms
        self._silent_ms = self._overrun_ms = 0.0

    def extend_frame(self, span_ms: float) -> None:
        """The frame has been arriving for `span_ms` and is not complete."""
        self._overrun_ms = max(self._overrun_ms, self.waited_ms + span_ms - self.interval_ms)

    def end_frame(self, span_ms: float) -> None:
        """The frame is complete, `span_ms` after its first packet."""
        self.foresee(self.waited_ms + span_ms)

    def foresee(self, whole_ms: float) -> None:
        """The frame takes `whole_ms` in all; what exceeds the frame interval delays the next."""
        self._overrun_ms = whole_ms - self.interval_ms

    def cut_short(self) -> None:
        """A loss ended the frame early: its length says nothing about the next."""
        self._overrun_ms = 0.0

    def drained(self) -> None:
        """Everything that was sent has arrived, and nothing follows."""
        self._foreseen_ms = self.waited_ms = self._overrun_ms = 0.0

    def silent(self, silent_ms: float) -> None:
        """No packet came for `silent_ms`, though frames were due."""
        self._silent_ms = silent_ms - self.interval_ms

    def track(self, now_ms: float) -> float:
        """Keep `since_ms` up to date; the queue now, 0 where it is negligible."""
        queue_ms = self.ms
        if queue_ms < _NO_QUEUE_MS:
            self.since_ms = None
            return 0.0
        if self.since_ms is None:
            self.since_ms = now_ms
        return queue_ms
