"""Capture time: when a frame was taken, on the server's own clock.

Three sources, best first: the sender's capture timestamps (abs-capture-time) and its sender
reports, both on the sender's wall clock and useful once the offset between the clocks is known;
else the least one-way delay seen, which is off by that delay. Pure: times are arguments.
"""

from __future__ import annotations

from collections import deque

from edge.rtc.rtp import ntp_to_unix_ms

RTP_PER_MS = 90.0
MAX_AGE_MS = 5000.0  # a capture further back than this is a wrong clock, not an old frame
_TOLERANCE_MS = 5.0  # by which a capture may seem to follow its arrival: the clocks' error
_PAIR_AGE_MS = 15_000.0  # after this without news a pairing of clocks has drifted
_UNKNOWN_RTT_MS = 500.0
_OFFSET_WINDOW_MS = 120_000.0
_DELAY_WINDOW_MS = 30_000.0


class WindowedMinimum:
    """The least of the values of the last `window_ms`; one value a slice, so it stays small."""

    def __init__(self, window_ms: float, slices: int = 16) -> None:
        self._slice_ms = window_ms / slices
        self._least: deque[tuple[float, float]] = deque(maxlen=slices)  # (slice began, value)

    def observe(self, value: float, now_ms: float) -> None:
        if self._least and now_ms - self._least[-1][0] < self._slice_ms:
            began_ms, least = self._least[-1]
            self._least[-1] = (began_ms, min(least, value))
        else:
            self._least.append((now_ms, value))
        window_ms = self._slice_ms * (self._least.maxlen or 1)
        while now_ms - self._least[0][0] > window_ms:
            self._least.popleft()

    def value(self) -> float | None:
        return min((value for _, value in self._least), default=None)


class RtpUnwrapper:
    """32-bit RTP timestamps as integers that never wrap (it takes 13 hours at 90 kHz)."""

    def __init__(self) -> None:
        self._last: int | None = None

    def advance(self, rtp: int) -> int:
        """A frame's timestamp, from which the next are counted."""
        self._last = self.nearest(rtp)
        return self._last

    def nearest(self, rtp: int) -> int:
        """Any timestamp, as near to the last frame's as it can be."""
        if self._last is None:
            return rtp
        return self._last + _signed(rtp - self._last)


def _signed(difference: int) -> int:
    """A difference of timestamps, modulo 2**32, as the nearest to zero."""
    return ((difference + 0x80000000) & 0xFFFFFFFF) - 0x80000000


class CaptureClock:
    """One sender's clocks against the server's; a wrong value costs that session alone."""

    def __init__(self) -> None:
        self._ping_offset = WindowedMinimum(_OFFSET_WINDOW_MS)
        self._told_offset_ms: float | None = None
        self._rtt_ms: float | None = None
        self.restart()

    def restart(self) -> None:
        """Another source, whose RTP timestamps begin anywhere; the page's clock stays the same."""
        self._unwrapper = RtpUnwrapper()
        self._captures: tuple[int, float, float] | None = None  # (rtp, sender's unix ms, seen)
        self._reports: tuple[int, float, float] | None = None
        self._delay = WindowedMinimum(_DELAY_WINDOW_MS)

    # -- what is learnt -------------------------------------------------------------------------

    def observe_ping(self, page_t0_ms: float, server_t1_ms: float) -> None:
        """A ping sent at the page's `t0` (Unix ms) that came at the server's `t1`."""
        self._ping_offset.observe(server_t1_ms - page_t0_ms, server_t1_ms)

    def set_offset(self, offset_ms: float, rtt_ms: float) -> None:
        """What the page measured: server_ms = page_ms + offset_ms, at its least round trip."""
        if 0 <= rtt_ms < MAX_AGE_MS and abs(offset_ms) < 1e14:
            self._told_offset_ms = offset_ms
            self._rtt_ms = rtt_ms or None

    def observe_capture(self, rtp: int, capture_ntp: int, now_ms: float) -> None:
        """A frame's abs-capture-time, NTP in Q32.32."""
        self._captures = (rtp, ntp_to_unix_ms(capture_ntp), now_ms)

    def observe_report(self, rtp: int, ntp: int, now_ms: float) -> None:
        """A sender report's pair of RTP and NTP time (RFC 3550, section 6.4.1)."""
        if ntp >> 32:  # a sender without a wall clock says 0
            self._reports = (rtp, ntp_to_unix_ms(ntp), now_ms)

    def observe_arrival(self, rtp: int, arrival_ms: float) -> None:
        """A frame's first packet."""
        self._delay.observe(arrival_ms - self._unwrapper.advance(rtp) / RTP_PER_MS, arrival_ms)

    # -- what is known --------------------------------------------------------------------------

    @property
    def rtt_ms(self) -> float | None:
        """The page's least round trip, where it told."""
        return self._rtt_ms

    @property
    def offset_ms(self) -> float | None:
        """server_ms = sender's unix ms + offset_ms; None before the first ping.

        A ping's way takes no less than nothing and no more than the round trip, which bounds
        what the page may tell.
        """
        most_ms = self._ping_offset.value()
        if most_ms is None:
            return self._told_offset_ms
        if self._told_offset_ms is None:
            return most_ms
        least_ms = most_ms - (_UNKNOWN_RTT_MS if self._rtt_ms is None else self._rtt_ms)
        return min(most_ms, max(least_ms, self._told_offset_ms))

    def captured_ms(self, rtp: int, arrival_ms: float) -> tuple[float, str]:
        """(capture time, source) of a frame whose first packet came at `arrival_ms`.

        The source is "capture", "report" or "delay". Capture never follows arrival; one more than
        5 s before it is not believed, and the next source is asked.
        """
        offset_ms = self.offset_ms
        if offset_ms is not None:
            for pair, source in ((self._captures, "capture"), (self._reports, "report")):
                if pair is None or arrival_ms - pair[2] > _PAIR_AGE_MS:
                    continue
                captured_ms = pair[1] + _signed(rtp - pair[0]) / RTP_PER_MS + offset_ms
                if arrival_ms - MAX_AGE_MS <= captured_ms <= arrival_ms + _TOLERANCE_MS:
                    return min(captured_ms, arrival_ms), source
        least_ms = self._delay.value()
        if least_ms is None:
            return arrival_ms, "delay"
        captured_ms = (
            self._unwrapper.nearest(rtp) / RTP_PER_MS + least_ms - (self._rtt_ms or 0.0) / 2.0
        )
        return min(arrival_ms, max(arrival_ms - MAX_AGE_MS, captured_ms)), "delay"
