"""Which source (SSRC) of a publisher's video is served, where more than one sends.

A source is a publisher's second layer, or what its first one goes on as: an encoder that was
restarted, a camera that was switched. Pure: times in ms are arguments.
"""

from __future__ import annotations

from collections import deque

from edge.rtc.rtp import RtpPacket

_SILENT_MS = 500.0  # after which another source takes over, whatever it sends
_SILENT_INTERVALS, _MIN_SILENT_MS = 3.0, 100.0  # the same once it has sent more than one frame
_MAX_WAITING = 256  # packets of the source that waits; beyond, the oldest is dropped
_MAX_RETRANSMISSIONS = 16  # streams of them whose source is known; the oldest is forgotten first
_RETRANSMITTED_MS = 5000.0  # after a change, for which the last source's packets may come again
_OVERLAP_MS = 100.0  # by which a source's last packets may come after the next one's first


class SourceSelector:
    """Serves one source until it falls silent; the packets of the next one wait meanwhile."""

    def __init__(self) -> None:
        self.ssrc: int | None = None
        """The source that is served; None before the first packet and after a goodbye."""
        self._packet_ms = float("-inf")
        self._frame_ms = float("-inf")
        self._interval_ms = 1000.0 / 15.0  # between frames
        self._timestamp: int | None = None
        self._waiting: deque[tuple[RtpPacket, float]] = deque(maxlen=_MAX_WAITING)

    def goodbye(self) -> None:
        """The source has ended (BYE): the next packet's source is served."""
        self.ssrc = None

    def take(self, packet: RtpPacket, arrival_ms: float) -> list[tuple[RtpPacket, float]]:
        """The packets to be served now, with their times of arrival.

        Those of another source than the last begin with the first that it sent.
        """
        if packet.ssrc == self.ssrc:
            self._note(packet, arrival_ms)
            return [(packet, arrival_ms)]
        waiting = self._waiting
        if waiting and waiting[0][0].ssrc != packet.ssrc:
            waiting.clear()
        waiting.append((packet, arrival_ms))
        if self.ssrc is not None and not self._takes_over(arrival_ms):
            return []
        since_ms = self._packet_ms - _OVERLAP_MS
        taken = [each for each in waiting if each[1] >= since_ms]
        waiting.clear()
        self.ssrc = packet.ssrc
        self._timestamp, self._interval_ms = None, 1000.0 / 15.0
        for each, at_ms in taken:
            self._note(each, at_ms)
        return taken

    def _takes_over(self, arrival_ms: float) -> bool:
        silent_ms = arrival_ms - self._packet_ms
        if silent_ms >= _SILENT_MS:
            return True
        frames = {each.timestamp for each, at_ms in self._waiting if at_ms > self._packet_ms}
        return len(frames) > 1 and silent_ms >= max(
            _MIN_SILENT_MS, _SILENT_INTERVALS * self._interval_ms
        )

    def _note(self, packet: RtpPacket, arrival_ms: float) -> None:
        self._packet_ms = arrival_ms
        if packet.timestamp != self._timestamp:
            self._timestamp = packet.timestamp
            if 0.0 < arrival_ms - self._frame_ms < 1000.0:
                self._interval_ms += 0.1 * (arrival_ms - self._frame_ms - self._interval_ms)
            self._frame_ms = arrival_ms


class RetransmissionSources:
    """Whose packets a stream of retransmissions (RTX, RFC 4588) holds: it names no source.

    It is the source's that was served when its first packet came. What was requested of a source
    comes in its stream even after another has taken over, and is of no use then; later, a sender
    may go on with the same stream for its next source.
    """

    def __init__(self) -> None:
        self._sources: dict[int, int] = {}  # by the SSRC of the retransmissions
        self._changed_ms = float("-inf")

    def source_changed(self, now_ms: float) -> None:
        self._changed_ms = now_ms

    def belongs(self, ssrc: int, source: int, now_ms: float) -> bool:
        """Whether a packet of the stream `ssrc` may be one of the `source` that is served."""
        if self._sources.get(ssrc, source) != source:
            if now_ms - self._changed_ms < _RETRANSMITTED_MS:
                return False
            del self._sources[ssrc]
        self._sources[ssrc] = source
        if len(self._sources) > _MAX_RETRANSMISSIONS:
            del self._sources[next(iter(self._sources))]
        return True
