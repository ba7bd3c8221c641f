"""Capture time: when a frame was taken, on the server's own clock.

Three sources, best first: the sender's capture timestamps (abs-capture-time) and its sender
reports, both on the sender's wall clock and usable once the offset between the clocks is known;
else the minimum one-way delay, which is off by that delay. No source is believed beyond what the
others and the network allow. Pure: times are arguments.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.base.sliding_windows import MinimumWindow
from edge.rtc.clock.media_clock import MAX_WAIT_MS, MediaClock
from edge.rtc.rtp import RTP_PER_MS, ntp_to_unix_ms
from edge.rtc.unwrapper import signed_difference

MAX_AGE_MS = MAX_WAIT_MS  # a capture further back is a wrong clock, not an old frame
_TOLERANCE_MS = 5.0  # by which a capture may seem to follow its arrival: the clocks' error
_PAIR_AGE_MS = 15_000.0  # a pairing of clocks that is older has drifted
_PAIR_ERROR_MS = 50.0  # by which two pairings may differ: more is a clock that stepped, or a lie
_MAX_STANDING_MS = 1_000.0  # and a round trip: no frame, however fast, takes longer than this
_UNKNOWN_RTT_MS = 500.0
_OFFSET_WINDOW_MS = 120_000.0


@dataclass(frozen=True, slots=True)
class _Pair:
    """One moment on the RTP clock and on the sender's wall clock."""

    rtp: int
    unix_ms: float
    seen_ms: float


class _WallClock:
    """The sender's wall clock by the pairs that it sends: one that contradicts the pair before it
    is used once another confirms it."""

    def __init__(self) -> None:
        self.pair: _Pair | None = None
        self._doubtful: _Pair | None = None

    def add(self, pair: _Pair, media: MediaClock) -> None:
        known = (self.pair, self._doubtful)
        if any(each and each.seen_ms < media.since_ms for each in known):
            known = (None, None)  # of a clock that has stepped since
        if known[0] is None or any(each and _agree(each, pair, media) for each in known):
            self.pair, self._doubtful = pair, None
        else:
            self._doubtful = pair

    def unix_ms(self, rtp: int, arrival_ms: float, media: MediaClock) -> float | None:
        """The time of a frame; None without a pair of the same clock that is recent enough."""
        pair = self.pair
        if pair is None or pair.seen_ms < media.since_ms:
            return None
        age_ms = arrival_ms - pair.seen_ms
        if age_ms > _PAIR_AGE_MS:
            return None
        return pair.unix_ms + media.elapsed_ms(signed_difference(rtp, pair.rtp, 32), age_ms)


def _agree(old: _Pair, new: _Pair, media: MediaClock) -> bool:
    ticks, age_ms = signed_difference(new.rtp, old.rtp, 32), new.seen_ms - old.seen_ms
    elapsed_ms = (ticks / RTP_PER_MS, media.elapsed_ms(ticks, age_ms / 5.0))
    return any(abs(new.unix_ms - old.unix_ms - each) <= _PAIR_ERROR_MS for each in elapsed_ms)


class CaptureClock:
    """One sender's clocks against the server's; a wrong value affects that session alone."""

    def __init__(self) -> None:
        self._ping_offset = MinimumWindow(_OFFSET_WINDOW_MS)
        self._reported_offset_ms: float | None = None
        self._rtt_ms: float | None = None
        self.restart()

    def restart(self) -> None:
        """Another source, with RTP timestamps of its own; the page's clock stays the same."""
        self._media = MediaClock(32, RTP_PER_MS)
        self._captures = _WallClock()
        self._reports = _WallClock()

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
        self._captures.add(_Pair(rtp, ntp_to_unix_ms(capture_ntp), now_ms), self._media)

    def observe_report(self, rtp: int, ntp: int, now_ms: float) -> None:
        """A sender report's pair of RTP and NTP time (RFC 3550, section 6.4.1)."""
        if ntp >> 32:  # a sender without a wall clock sends 0
            self._reports.add(_Pair(rtp, ntp_to_unix_ms(ntp), now_ms), self._media)

    def observe_arrival(self, rtp: int, arrival_ms: float, *, marker: bool = False) -> None:
        """A packet that came in order."""
        self._media.observe(rtp, marker, arrival_ms)

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
        puts it more than 5 s before, or all frames more than 1 s and a round trip, is passed over
        for the next one.
        """
        offset_ms, rtt_ms = self.offset_ms, self._rtt_ms or 0.0
        waited_ms = self._media.waited_ms(rtp, arrival_ms)
        if offset_ms is not None:
            most_ms = min(MAX_AGE_MS, waited_ms + _MAX_STANDING_MS + rtt_ms)
            for clock, source in ((self._captures, "capture"), (self._reports, "report")):
                unix_ms = clock.unix_ms(rtp, arrival_ms, self._media)
                if unix_ms is None:
                    continue
                captured_ms = unix_ms + offset_ms
                if arrival_ms - most_ms <= captured_ms <= arrival_ms + _TOLERANCE_MS:
                    return min(captured_ms, arrival_ms), source
        return max(arrival_ms - MAX_AGE_MS, arrival_ms - waited_ms - rtt_ms / 2.0), "delay"
