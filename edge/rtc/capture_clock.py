"""Capture time: when a frame was taken, on the server's own clock.

Three sources, best first: the sender's capture timestamps (abs-capture-time) and its sender
reports, both on the sender's wall clock and usable once the offset between the clocks is known;
else the minimum one-way delay, which is off by that delay. Pure: times are arguments.
"""

from __future__ import annotations

from edge.base.sliding_windows import MinimumWindow
from edge.rtc.rtp import RTP_PER_MS, ntp_to_unix_ms
from edge.rtc.unwrapper import Unwrapper, signed_difference

MAX_AGE_MS = 5000.0  # a capture further back is a wrong clock, not an old frame
_TOLERANCE_MS = 5.0  # by which a capture may seem to follow its arrival: the clocks' error
_PAIR_AGE_MS = 15_000.0  # a pairing of clocks that is older has drifted
_UNKNOWN_RTT_MS = 500.0
_OFFSET_WINDOW_MS = 120_000.0
_DELAY_WINDOW_MS = 30_000.0


class CaptureClock:
    """One sender's clocks against the server's; a wrong value affects that session alone."""

    def __init__(self) -> None:
        self._ping_offset = MinimumWindow(_OFFSET_WINDOW_MS)
        self._reported_offset_ms: float | None = None
        self._rtt_ms: float | None = None
        self.restart()

    def restart(self) -> None:
        """Another source, with RTP timestamps of its own; the page's clock stays the same."""
        self._unwrapper = Unwrapper(32)
        self._captures: tuple[int, float, float] | None = None  # (rtp, sender's unix ms, seen)
        self._reports: tuple[int, float, float] | None = None
        self._delay = MinimumWindow(_DELAY_WINDOW_MS)

    # -- input ----------------------------------------------------------------------------------

    def observe_ping(self, page_t0_ms: float, server_t1_ms: float) -> None:
        """A ping sent at the page's `t0` (Unix ms) and received at the server's `t1`."""
        self._ping_offset.add(server_t1_ms - page_t0_ms, server_t1_ms)

    def set_offset(self, offset_ms: float, rtt_ms: float) -> None:
        """The page's measurement at its minimum round trip: server_ms = page_ms + offset_ms."""
        if 0 <= rtt_ms < MAX_AGE_MS and abs(offset_ms) < 1e14:
            self._reported_offset_ms = offset_ms
            self._rtt_ms = rtt_ms or None

    def observe_capture(self, rtp: int, capture_ntp: int, now_ms: float) -> None:
        """A frame's abs-capture-time, NTP in Q32.32."""
        self._captures = (rtp, ntp_to_unix_ms(capture_ntp), now_ms)

    def observe_report(self, rtp: int, ntp: int, now_ms: float) -> None:
        """A sender report's pair of RTP and NTP time (RFC 3550, section 6.4.1)."""
        if ntp >> 32:  # a sender without a wall clock sends 0
            self._reports = (rtp, ntp_to_unix_ms(ntp), now_ms)

    def observe_arrival(self, rtp: int, arrival_ms: float) -> None:
        """A frame's first packet."""
        self._delay.add(arrival_ms - self._unwrapper.unwrap(rtp) / RTP_PER_MS, arrival_ms)

    # -- estimates ------------------------------------------------------------------------------

    @property
    def rtt_ms(self) -> float | None:
        """The page's minimum round trip; None unless it reported one."""
        return self._rtt_ms

    @property
    def offset_ms(self) -> float | None:
        """server_ms = sender's unix ms + offset_ms; None before the first ping.

        A ping takes between nothing and a whole round trip, which bounds the page's report.
        """
        most_ms = self._ping_offset.minimum()
        if most_ms is None:
            return self._reported_offset_ms
        if self._reported_offset_ms is None:
            return most_ms
        least_ms = most_ms - (_UNKNOWN_RTT_MS if self._rtt_ms is None else self._rtt_ms)
        return min(most_ms, max(least_ms, self._reported_offset_ms))

    def captured_ms(self, rtp: int, arrival_ms: float) -> tuple[float, str]:
        """(capture time, source) of a frame whose first packet came at `arrival_ms`.

        The source is "capture", "report" or "delay". Capture never follows arrival; a source that
        puts it more than 5 s before is passed over for the next one.
        """
        offset_ms = self.offset_ms
        if offset_ms is not None:
            for pair, source in ((self._captures, "capture"), (self._reports, "report")):
                if pair is None or arrival_ms - pair[2] > _PAIR_AGE_MS:
                    continue
                captured_ms = pair[1] + signed_difference(rtp, pair[0], 32) / RTP_PER_MS + offset_ms
                if arrival_ms - MAX_AGE_MS <= captured_ms <= arrival_ms + _TOLERANCE_MS:
                    return min(captured_ms, arrival_ms), source
        least_ms = self._delay.minimum()
        if least_ms is None:
            return arrival_ms, "delay"
        captured_ms = (
            self._unwrapper.peek(rtp) / RTP_PER_MS + least_ms - (self._rtt_ms or 0.0) / 2.0
        )
        return min(arrival_ms, max(arrival_ms - MAX_AGE_MS, captured_ms)), "delay"
