"""Whose packets a stream of retransmissions holds (RTX, RFC 4588). Pure: times are arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge.rtc.rtp import RtpPacket, unwrap_rtx
from edge.rtc.sources.source import Source

_MAX_RETRANSMISSIONS = 16  # streams of them whose source is known; the oldest is forgotten first
_RETRANSMITTED_MS = 5000.0  # after a change, for which the last source's packets may come again


class RetransmissionSources:
    """The source of each such stream, which names none itself.

    Where a packet has named its layer, it is that, for later ones of the stream as well; where the
    publisher has paired the two (`pairs`, RFC 5576: FID), the other one of the pair. Else it is the
    source that was served when the stream's first packet came. What was requested of a source comes
    in its stream even after another has taken over, and is of no use then; later, a sender may go
    on with the same stream for its next source.
    """

    def __init__(self, pairs: Mapping[int, int] | None = None) -> None:
        self._pairs = dict(pairs or {})  # the source by the SSRC of its retransmissions
        self._sources: dict[int, int] = {}  # the same, as far as it was seen
        self._names: dict[int, bytes] = {}  # the layer's, which only the first packets may tell
        self._changed_ms = float("-inf")

    def source_changed(self, now_ms: float) -> None:
        self._changed_ms = now_ms

    def restore(
        self, packet: RtpPacket, payload_type: int, source: Source | None, now_ms: float
    ) -> RtpPacket | None:
        """The original of a retransmission; None if the `source` that is served did not send it."""
        if source is None:
            return None
        name = packet.stream_id
        if name is not None:
            _put(self._names, packet.ssrc, name)
        else:
            name = self._names.get(packet.ssrc)
        if name is not None and source.stream_id is not None:
            belongs = name == source.stream_id
        else:
            belongs = self._belongs(packet.ssrc, source.ssrc, now_ms)
        return unwrap_rtx(packet, payload_type, source.ssrc) if belongs else None

    def _belongs(self, ssrc: int, source: int, now_ms: float) -> bool:
        if source in self._pairs.values() and ssrc in self._pairs:
            return self._pairs[ssrc] == source
        if self._sources.get(ssrc, source) != source:
            if now_ms - self._changed_ms < _RETRANSMITTED_MS:
                return False
            del self._sources[ssrc]
        _put(self._sources, ssrc, source)
        return True


def _put(remembered: dict[int, Any], ssrc: int, value: object) -> None:
    remembered[ssrc] = value
    if len(remembered) > _MAX_RETRANSMISSIONS:
        del remembered[next(iter(remembered))]
