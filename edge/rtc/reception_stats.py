"""Reception statistics: packet counts, receiver reports (RFC 3550, appendix A), loss."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from edge.rtc.rtp import RTP_PER_MS, ReportBlock
from edge.rtc.unwrapper import signed_difference

_MAX_DROPOUT = 3000  # a jump by more is a stray, or a sender that starts over: see `start_over`
_LOSS_WINDOW_MS = 2_000.0


@dataclass(slots=True)
class ReceptionCounts:
    """Packets and frames since the start.

    Later packets showed `missed` ones to be missing; `nacked` counts requests for one, `recovered`
    the packets that came after a request. `late` ones came after they were given up. `bytes` are
    all of RTP, headers and retransmissions included.
    """

    packets: int = 0
    duplicates: int = 0
    late: int = 0
    missed: int = 0
    nacked: int = 0
    recovered: int = 0
    keyframe_requests: int = 0
    frames: int = 0
    frames_lost: int = 0
    resets: int = 0
    bytes: int = 0


class ReceptionStats:
    """One source's packets: received, missing, jitter. Retransmissions are not counted."""

    def __init__(self) -> None:
        self.received = 0
        self.arrival_ms = float("-inf")
        self._base = 0
        self._highest = 0
        self._jitter = 0.0
        self._transit: float | None = None
        self._rtp: int | None = None
        self._prior = (0, 0)  # expected and received at the last report

    @property
    def expected(self) -> int:
        return self._highest - self._base + 1 if self.received else 0

    @property
    def missing(self) -> int:
        """Packets that have not come; one that comes late is taken off again."""
        return max(0, self.expected - self.received)

    def add(self, sequence: int, rtp: int, arrival_ms: float) -> bool:
        """Count a packet; whether it came in order, after all before it."""
        self.arrival_ms = arrival_ms
        if not self.received:
            self._start(sequence)
            return True
        ahead = signed_difference(sequence, self._highest, 16)
        if abs(ahead) > _MAX_DROPOUT:
            return False
        self.received += 1
        if ahead <= 0:
            return False
        self._highest += ahead
        if rtp != self._rtp:
            self._rtp = rtp
            self._add_transit(arrival_ms * RTP_PER_MS - rtp)
        return True

    def start_over(self, first: int, last: int) -> None:
        """The sender went on with other numbers, of which `first` to `last` came."""
        self._start(first)
        self._highest += (last - first) & 0xFFFF
        self.received += (last - first) & 0xFFFF
        self._prior = (0, 0)

    def _start(self, sequence: int) -> None:
        self._base = self._highest = sequence + 0x10000
        self.received = 1

    def _add_transit(self, transit: float) -> None:
        """Interarrival jitter (RFC 3550, section 6.4.1), in RTP clock units."""
        if self._transit is not None:
            change = abs(transit - self._transit)
            if change < 60_000.0 * RTP_PER_MS:  # else the timestamp wrapped or jumped
                self._jitter += (change - self._jitter) / 16.0
        self._transit = transit

    def report(self, ssrc: int, last_report: int, delay_ms: float) -> ReportBlock | None:
        """The block for the next report, and a new interval; None before the first packet."""
        if not self.received:
            return None
        expected = self.expected - self._prior[0]
        lost = expected - (self.received - self._prior[1])
        self._prior = (self.expected, self.received)
        return ReportBlock(
            ssrc=ssrc,
            fraction_lost=max(0.0, lost / expected) if expected > 0 else 0.0,
            lost=self.expected - self.received,
            highest_sequence=self._highest - 0x10000,
            jitter=int(self._jitter),
            last_report=last_report,
            delay_ms=delay_ms,
        )


class LossWindow:
    """Share of packets lost over the last two seconds, from the stream's totals."""

    def __init__(self) -> None:
        self._totals: deque[tuple[float, int, int]] = deque(maxlen=64)  # (ms, received, missing)

    def add(self, received: int, missing: int, now_ms: float) -> None:
        """The totals so far: packets that came in time, and packets that did not."""
        self._totals.append((now_ms, received, missing))
        while len(self._totals) > 2 and now_ms - self._totals[1][0] > _LOSS_WINDOW_MS:
            self._totals.popleft()

    @property
    def share(self) -> float:
        """0 to 1; 0 before the second addition."""
        if len(self._totals) < 2:
            return 0.0
        (_, received0, missing0), (_, received1, missing1) = self._totals[0], self._totals[-1]
        sent = received1 - received0 + missing1 - missing0
        return min(1.0, max(0.0, (missing1 - missing0) / sent)) if sent > 0 else 0.0
