"""RTP and RTCP, cross-checked against aiortc's own reading and writing of them."""

from __future__ import annotations

import pytest
from aiortc import rtp as aiortc_rtp
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from hypothesis import given
from hypothesis import strategies as st

from edge.rtc import rtp as edge_rtp
from edge.rtc.rtp import ABS_SEND_TIME, ExtensionIds, ReportBlock

IDS = ExtensionIds(abs_send_time=3, abs_capture_time=5)


def _extensions_map() -> aiortc_rtp.HeaderExtensionsMap:
    found = aiortc_rtp.HeaderExtensionsMap()
    extension = RTCRtpHeaderExtensionParameters(id=3, uri=ABS_SEND_TIME)
    found.configure(RTCRtpParameters(headerExtensions=[extension]))
    return found


@given(
    sequence=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFFFFFF),
    marker=st.integers(0, 1),
    payload=st.binary(max_size=50),
    padding=st.integers(0, 255),
    send_time=st.none() | st.integers(0, 0xFFFFFF),
)
def test_reads_what_aiortc_writes(
    *,
    sequence: int,
    timestamp: int,
    marker: int,
    payload: bytes,
    padding: int,
    send_time: int | None,
) -> None:
    written = aiortc_rtp.RtpPacket(
        payload_type=97,
        marker=marker,
        sequence_number=sequence,
        timestamp=timestamp,
        ssrc=7,
        payload=payload,
    )
    written.padding_size = padding
    written.extensions.abs_send_time = send_time
    data = written.serialize(_extensions_map())
    packet = edge_rtp.parse_rtp(data, IDS)
    assert packet is not None
    assert (packet.payload_type, packet.ssrc, packet.size) == (97, 7, len(data))
    assert (packet.sequence, packet.timestamp, packet.marker) == (sequence, timestamp, bool(marker))
    assert packet.payload == payload
    assert packet.send_time == send_time


def _with_extensions(profile: int, elements: bytes) -> bytes:
    elements += bytes(-len(elements) % 4)
    header = bytes([0x90, 97, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3])
    words = (len(elements) // 4).to_bytes(2, "big")
    return header + profile.to_bytes(2, "big") + words + elements + b"video"


@pytest.mark.parametrize(
    ("profile", "elements"),
    [
        (0xBEDE, b"\x00\x57" + bytes(range(8)) + b"\x32\x01\x02\x03"),
        (0xBEDE, b"\x5f" + bytes(range(16)) + b"\x32\x01\x02\x03"),  # with the clock offset
        (0x1000, b"\x05\x08" + bytes(range(8)) + b"\x00\x03\x03\x01\x02\x03"),
    ],
)
def test_reads_capture_and_send_time_in_both_header_forms(profile: int, elements: bytes) -> None:
    packet = edge_rtp.parse_rtp(_with_extensions(profile, elements), IDS)
    assert packet is not None
    assert packet.capture_ntp == int.from_bytes(bytes(range(8)), "big")
    assert packet.send_time == 0x010203
    assert packet.payload == b"video"


def test_a_truncated_extension_costs_only_itself() -> None:
    packet = edge_rtp.parse_rtp(_with_extensions(0xBEDE, b"\x32\x01\x02\x03\x5f\x00"), IDS)
    assert packet is not None
    assert packet.send_time == 0x010203
    assert packet.capture_ntp is None


@given(st.binary(max_size=200))
def test_no_bytes_make_the_parsers_raise(data: bytes) -> None:
    edge_rtp.parse_rtp(data, IDS)
    edge_rtp.is_rtcp(data)
    list(edge_rtp.parse_rtcp(data))


@given(st.binary(max_size=80), st.integers(0, 0x1F), st.integers(0, 20))
def test_no_rtcp_body_makes_the_parser_raise(body: bytes, count: int, words: int) -> None:
    for kind in range(200, 208):
        list(edge_rtp.parse_rtcp(bytes([0x80 | count, kind, 0, words]) + body))


def test_unwraps_a_retransmission() -> None:
    original = aiortc_rtp.RtpPacket(97, 1, 4711, 90, 5, b"payload")
    wrapped = aiortc_rtp.wrap_rtx(original, payload_type=98, sequence_number=9, ssrc=6)
    packet = edge_rtp.parse_rtp(wrapped.serialize(), IDS)
    assert packet is not None
    restored = edge_rtp.unwrap_rtx(packet, 97, 5)
    assert restored is not None
    assert (restored.sequence, restored.payload, restored.ssrc) == (4711, b"payload", 5)
    assert restored.marker
    packet.payload = b""
    assert edge_rtp.unwrap_rtx(packet, 97, 5) is None


def test_reads_sender_reports_and_goodbyes_from_a_compound() -> None:
    info = aiortc_rtp.RtcpSenderInfo(
        ntp_timestamp=1 << 40, rtp_timestamp=99, packet_count=1, octet_count=2
    )
    description = aiortc_rtp.RtcpSdesPacket(
        chunks=[aiortc_rtp.RtcpSourceInfo(ssrc=7, items=[(1, b"name")])]
    )
    data = (
        bytes(aiortc_rtp.RtcpSrPacket(ssrc=7, sender_info=info))
        + bytes(description)
        + bytes(aiortc_rtp.RtcpByePacket(sources=[7, 8]))
    )
    assert edge_rtp.is_rtcp(data)
    report, goodbye = edge_rtp.parse_rtcp(data)
    assert report == edge_rtp.SenderReport(ssrc=7, ntp=1 << 40, rtp=99)
    assert goodbye == edge_rtp.Goodbye((7, 8))


def _parsed(data: bytes) -> aiortc_rtp.AnyRtcpPacket:
    (packet,) = aiortc_rtp.RtcpPacket.parse(data)
    return packet


@given(st.lists(st.integers(0, 0xFFFF), unique=True, min_size=1, max_size=edge_rtp.MAX_NACKED))
def test_aiortc_reads_our_nack(sequences: list[int]) -> None:
    packet = _parsed(edge_rtp.nack(1, 2, sequences))
    assert isinstance(packet, aiortc_rtp.RtcpRtpfbPacket)
    assert (packet.fmt, packet.ssrc, packet.media_ssrc) == (1, 1, 2)
    assert {number & 0xFFFF for number in packet.lost} == set(sequences)


def test_aiortc_reads_our_picture_loss() -> None:
    packet = _parsed(edge_rtp.picture_loss(1, 2))
    assert isinstance(packet, aiortc_rtp.RtcpPsfbPacket)
    assert (packet.fmt, packet.ssrc, packet.media_ssrc, packet.fci) == (1, 1, 2, b"")


@given(st.floats(0, 1e12))
def test_aiortc_reads_our_remb(bitrate_bps: float) -> None:
    packet = _parsed(edge_rtp.remb(1, 2, bitrate_bps))
    assert isinstance(packet, aiortc_rtp.RtcpPsfbPacket)
    encoded_bps, sources = aiortc_rtp.unpack_remb_fci(packet.fci)
    assert sources == [2]
    assert bitrate_bps * (1 - 2**-17) - 1 <= encoded_bps <= bitrate_bps


def test_aiortc_reads_our_receiver_report() -> None:
    block = ReportBlock(2, 0.25, -3, 70000, 12, 0xABCDEF, 1000.0)
    packet = _parsed(edge_rtp.receiver_report(1, [block]))
    assert isinstance(packet, aiortc_rtp.RtcpRrPacket)
    (report,) = packet.reports
    assert (report.ssrc, report.fraction_lost, report.packets_lost) == (2, 64, -3)
    assert (report.highest_sequence, report.jitter) == (70000, 12)
    assert (report.lsr, report.dlsr) == (0xABCDEF, 65536)


def test_ntp_and_unix_time_agree() -> None:
    assert edge_rtp.ntp_to_unix_ms(edge_rtp.unix_ms_to_ntp(1.7e12 + 0.25)) == pytest.approx(
        1.7e12 + 0.25, abs=0.001
    )
    assert edge_rtp.ntp_to_unix_ms(2_208_988_800 << 32) == 0.0
