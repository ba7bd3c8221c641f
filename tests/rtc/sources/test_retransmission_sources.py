"""Retransmissions go to the layer that they are of, named in every packet or in the first alone."""

from __future__ import annotations

import pytest

from edge.rtc.rtp import RtpPacket
from edge.rtc.sources.retransmission_sources import RetransmissionSources
from edge.rtc.sources.source import Source

FULL, HALF = b"f", b"h"


def _layer(ssrc: int, name: bytes) -> Source:
    source = Source(ssrc)
    source.declared, source.stream_id = True, name
    return source


def _belongs(
    streams: RetransmissionSources, ssrc: int, name: bytes | None, served: Source, at_ms: float
) -> bool:
    payload = b"\x00\x05\x10\x01\x02"
    packet = RtpPacket(98, False, 1, 9000, ssrc, payload, 20, stream_id=name)
    original = streams.restore(packet, 97, served, at_ms)
    assert original is None or original.ssrc == served.ssrc
    return original is not None


@pytest.mark.parametrize("told_while_served", [True, False])
def test_a_stream_that_was_named_once_stays_its_layers(*, told_while_served: bool) -> None:
    full, half = _layer(1, FULL), _layer(2, HALF)
    streams = RetransmissionSources()
    first = full if told_while_served else half
    assert _belongs(streams, 11, FULL, first, 0.0) == told_while_served
    streams.source_changed(1000.0)
    assert not _belongs(streams, 11, None, half, 1010.0)
    assert not _belongs(streams, 11, None, half, 9000.0)
    streams.source_changed(9500.0)
    assert _belongs(streams, 11, None, full, 9600.0)
