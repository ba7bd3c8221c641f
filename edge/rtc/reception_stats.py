"""What a receiver report says of a source: counted packet by packet (RFC 3550, appendix A)."""

from __future__ import annotations

from edge.rtc.capture_clock import RTP_PER_MS
from edge.rtc.rtp import ReportBlock


class ReceptionStats:
    """One source's packets: received, missed, jitter. Retransmissions are not counted in."""

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
    def missed(self) -> int:
        """Packets that did not come (yet); late ones are taken off again."""
        return max(0, self.expected - self.received)

    def add(self, sequence: int, rtp: int, arrival_ms: float) -> bool:
        """Count a packet; whether it came in its turn, after all before it."""
        self.arrival_ms = arrival_ms
        if not self.received:
            self._base = self._highest = sequence + 0x10000
            self.received = 1
            return True
        ahead = ((sequence - self._highest + 0x8000) & 0xFFFF) - 0x8000
        self.received += 1
        if abs(ahead) > 3000:  # the sender began anew (appendix A.1)
            self._base = self._highest = sequence + 0x10000
            self.received, self._prior = 1, (0, 0)
            return True
        if ahead <= 0:
            return False
        self._highest += ahead
        if rtp != self._rtp:
            self._rtp = rtp
            transit = arrival_ms * RTP_PER_MS - rtp
            if self._transit is not None:
                change = abs(transit - self._transit)
                if change < 90_000 * 60:  # else the timestamp wrapped or jumped
                    self._jitter += (change - self._jitter) / 16.0
            self._transit = transit
        return True

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
