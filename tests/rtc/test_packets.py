"""RTP and RTCP, cross-checked against aiortc's own reading and writing of them."""

from __future__ import annotations

import pytest
from aiortc import rtp
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from hypothesis import given
from hypothesis import strategies as st

from edge.rtc import packets
from edge.rtc.packets import ABS_SEND_TIME, ExtensionIds, ReportBlock

IDS = ExtensionIds(abs_send_time=3, abs_capture_time=5)


def _extensions_map() -> rtp.HeaderExtensionsMap:
    found = rtp.HeaderExtensionsMap()
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
    written = rtp.RtpPacket(
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
    packet = packets.parse_rtp(data, IDS)
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
    packet = packets.parse_rtp(_with_extensions(profile, elements), IDS)
    assert packet is not None
    assert packet.capture_ntp == int.from_bytes(bytes(range(8)), "big")
    assert packet.send_time == 0x010203
    assert packet.payload == b"video"


def test_a_truncated_extension_costs_only_itself() -> None:
    packet = packets.parse_rtp(_with_extensions(0xBEDE, b"\x32\x01\x02\x03\x5f\x00"), IDS)
    assert packet is not None
    assert packet.send_time == 0x010203
    assert packet.capture_ntp is None


@given(st.binary(max_size=200))
def test_no_bytes_make_the_parsers_raise(data: bytes) -> None:
    packets.parse_rtp(data, IDS)
    packets.is_rtcp(data)
    list(packets.parse_rtcp(data))


@given(st.binary(max_size=80), st.integers(0, 0x1F), st.integers(0, 20))
def test_no_rtcp_body_makes_the_parser_raise(body: bytes, count: int, words: int) -> None:
    for kind in range(200, 208):
        list(packets.parse_rtcp(bytes([0x80 | count, kind, 0, words]) + body))


def test_unwraps_a_retransmission() -> None:
    original = rtp.RtpPacket(97, 1, 4711, 90, 5, b"payload")
    wrapped = rtp.wrap_rtx(original, payload_type=98, sequence_number=9, ssrc=6)
    packet = packets.parse_rtp(wrapped.serialize(), IDS)
    assert packet is not None
    restored = packets.unwrap_rtx(packet, 97, 5)
    assert restored is not None
    assert (restored.sequence, restored.payload, restored.ssrc) == (4711, b"payload", 5)
    assert restored.marker
    packet.payload = b""
    assert packets.unwrap_rtx(packet, 97, 5) is None


def test_reads_sender_reports_and_goodbyes_from_a_compound() -> None:
    info = rtp.RtcpSenderInfo(
        ntp_timestamp=1 << 40, rtp_timestamp=99, packet_count=1, octet_count=2
    )
    description = rtp.RtcpSdesPacket(chunks=[rtp.RtcpSourceInfo(ssrc=7, items=[(1, b"name")])])
    data = (
        bytes(rtp.RtcpSrPacket(ssrc=7, sender_info=info))
        + bytes(description)
        + bytes(rtp.RtcpByePacket(sources=[7, 8]))
    )
    assert packets.is_rtcp(data)
    report, goodbye = packets.parse_rtcp(data)
    assert report == packets.SenderReport(ssrc=7, ntp=1 << 40, rtp=99)
    assert goodbye == packets.Goodbye((7, 8))


def _parsed(data: bytes) -> rtp.AnyRtcpPacket:
    (packet,) = rtp.RtcpPacket.parse(data)
    return packet


@given(st.lists(st.integers(0, 0xFFFF), unique=True, min_size=1, max_size=packets.MAX_NACKED))
def test_aiortc_reads_our_nack(sequences: list[int]) -> None:
    packet = _parsed(packets.nack(1, 2, sequences))
    assert isinstance(packet, rtp.RtcpRtpfbPacket)
    assert (packet.fmt, packet.ssrc, packet.media_ssrc) == (1, 1, 2)
    assert {number & 0xFFFF for number in packet.lost} == set(sequences)


def test_aiortc_reads_our_picture_loss() -> None:
    packet = _parsed(packets.picture_loss(1, 2))
    assert isinstance(packet, rtp.RtcpPsfbPacket)
    assert (packet.fmt, packet.ssrc, packet.media_ssrc, packet.fci) == (1, 1, 2, b"")


@given(st.floats(0, 1e12))
def test_aiortc_reads_our_remb(bitrate_bps: float) -> None:
    packet = _parsed(packets.remb(1, 2, bitrate_bps))
    assert isinstance(packet, rtp.RtcpPsfbPacket)
    told, sources = rtp.unpack_remb_fci(packet.fci)
    assert sources == [2]
    assert bitrate_bps * (1 - 2**-17) - 1 <= told <= bitrate_bps


def test_aiortc_reads_our_receiver_report() -> None:
    block = ReportBlock(2, 0.25, -3, 70000, 12, 0xABCDEF, 1000.0)
    packet = _parsed(packets.receiver_report(1, [block]))
    assert isinstance(packet, rtp.RtcpRrPacket)
    (report,) = packet.reports
    assert (report.ssrc, report.fraction_lost, report.packets_lost) == (2, 64, -3)
    assert (report.highest_sequence, report.jitter) == (70000, 12)
    assert (report.lsr, report.dlsr) == (0xABCDEF, 65536)


def test_ntp_and_unix_time_agree() -> None:
    assert packets.ntp_to_unix_ms(packets.unix_ms_to_ntp(1.7e12 + 0.25)) == pytest.approx(
        1.7e12 + 0.25, abs=0.001
    )
    assert packets.ntp_to_unix_ms(2_208_988_800 << 32) == 0.0
