"""Frames to packets and back by the server's own parser; feedback by the server's own builder."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.client.rtp import h264
from edge.client.rtp.rtcp_feedback import RtcpFeedback, read_feedback
from edge.client.rtp.rtp_packetiser import HISTORY, MAX_PAYLOAD, Packetiser
from edge.rtc import rtp as edge_rtp
from edge.rtc.jitter.depacketizer import depacketize
from edge.rtc.rtp import ExtensionIds, RtpPacket, SenderReport

IDS = ExtensionIds(abs_send_time=3, abs_capture_time=5)
NOW_MS = 1_700_000_000_000.0


def packetiser(rtx: tuple[int, int] | None = (98, 99), sequence: int = 0xFFFE) -> Packetiser:
    return Packetiser(7, 97, IDS, rtx=rtx, sequence=sequence)


def parsed(data: bytes) -> RtpPacket:
    packet = edge_rtp.parse_rtp(data, IDS)
    assert packet is not None
    return packet


@given(st.binary(min_size=1, max_size=10_000), st.booleans(), st.integers(0, 2**32 - 1))
def test_a_frame_arrives_as_it_was(data: bytes, droppable: bool, rtp: int) -> None:
    made = packetiser()
    sent = [
        parsed(made.stamp(packet, NOW_MS))
        for packet in made.frame(data, rtp, NOW_MS - 20.0, droppable=droppable)
    ]
    payloads = [depacketize("vp8", packet.payload) for packet in sent]
    body = b"".join(packet.payload[4:] for packet in sent)
    assert body == data
    assert [packet.sequence for packet in sent] == [(0xFFFE + i) & 0xFFFF for i in range(len(sent))]
    assert [packet.marker for packet in sent] == [False] * (len(sent) - 1) + [True]
    assert {packet.timestamp for packet in sent} == {rtp}
    assert {packet.payload_type for packet in sent} == {97}
    assert max(packet.size for packet in sent) < 1200
    assert len(sent) == -(-len(data) // MAX_PAYLOAD)
    assert all(each.droppable == droppable for each in payloads if each is not None)
    assert [packet.capture_ntp is not None for packet in sent] == [True] + [False] * (len(sent) - 1)
    captured_ntp = sent[0].capture_ntp
    assert captured_ntp is not None
    assert edge_rtp.ntp_to_unix_ms(captured_ntp) == pytest.approx(NOW_MS - 20.0, abs=0.01)


UNITS = st.lists(
    st.tuples(st.sampled_from([1, 5, 6, 7, 8]), st.binary(min_size=1, max_size=4_000)).map(
        lambda each: bytes((0x60 | each[0],)) + each[1].replace(b"\0", b"\1")
    ),
    min_size=1,
    max_size=5,
)


@given(UNITS)
def test_an_h264_frame_arrives_with_all_its_units(units: list[bytes]) -> None:
    made = Packetiser(7, 97, IDS, codec="h264")
    sent = [
        parsed(packet) for packet in made.frame(h264.byte_stream(units), 9, NOW_MS, droppable=False)
    ]
    parts = [depacketize("h264", packet.payload) for packet in sent]
    stream = b"".join(part.data for part in parts if part is not None)
    assert h264.units_of(stream) == units
    assert [packet.marker for packet in sent] == [False] * (len(sent) - 1) + [True]
    assert max(packet.size for packet in sent) < 1200
    assert [packet.capture_ntp is not None for packet in sent] == [True] + [False] * (len(sent) - 1)


def test_the_send_time_is_that_of_leaving() -> None:
    made = packetiser()
    [packet] = made.frame(b"x", 1, NOW_MS, droppable=False)
    times = [parsed(made.stamp(packet, NOW_MS + later_ms)).send_time for later_ms in (0.0, 250.0)]
    assert times[0] is not None
    assert times[1] is not None
    assert (times[1] - times[0]) % (1 << 24) == pytest.approx(0.25 * (1 << 18), abs=1)


def test_without_extensions_nothing_is_stamped() -> None:
    made = Packetiser(7, 97, ExtensionIds())
    [packet] = made.frame(b"x", 1, NOW_MS, droppable=False)
    assert made.stamp(packet, NOW_MS) == packet
    plain = edge_rtp.parse_rtp(packet, ExtensionIds())
    assert plain is not None
    assert plain.payload.endswith(b"x")


def test_a_retransmission_is_unwrapped_to_its_original() -> None:
    made = packetiser()
    originals = [parsed(each) for each in made.frame(b"a" * 5_000, 9, NOW_MS, droppable=False)]
    for original in originals:
        again = made.again(original.sequence)
        assert again is not None
        packet = parsed(again)
        assert (packet.payload_type, packet.ssrc) == (98, 99)
        restored = edge_rtp.unwrap_rtx(packet, 97, 7)
        assert restored is not None
        assert (restored.sequence, restored.payload) == (original.sequence, original.payload)
        assert (restored.marker, restored.timestamp) == (original.marker, original.timestamp)
        assert restored.capture_ntp == original.capture_ntp


def test_without_rtx_the_original_goes_again() -> None:
    made = packetiser(rtx=None)
    [packet] = made.frame(b"x", 9, NOW_MS, droppable=False)
    assert made.again(0xFFFE) == packet


def test_history_is_bounded() -> None:
    made = packetiser(sequence=0)
    for rtp in range(HISTORY + 1):
        made.frame(b"x", rtp, NOW_MS, droppable=False)
    assert made.again(0) is None
    assert made.again(1) is not None


def test_a_sender_report_pairs_the_clocks() -> None:
    made = packetiser()
    made.frame(b"x", 1, NOW_MS, droppable=False)
    for name in ("", "a", "ab", "abc", "abcd"):
        compound = made.report(2**32 + 90, NOW_MS, name)
        assert len(compound) % 4 == 0
        [report] = edge_rtp.parse_rtcp(compound)
        assert isinstance(report, SenderReport)
        assert (report.ssrc, report.rtp) == (7, 90)
        assert edge_rtp.ntp_to_unix_ms(report.ntp) == pytest.approx(NOW_MS, abs=0.01)


@given(
    st.lists(st.integers(0, 0xFFFF), max_size=50, unique=True),
    st.booleans(),
    st.none() | st.floats(0, 1e9),
)
def test_feedback_is_what_the_server_said(
    nacked: list[int], keyframe: bool, remb_bps: float | None
) -> None:
    compound = edge_rtp.receiver_report(1)
    if nacked:
        compound += edge_rtp.nack(1, 7, nacked)
    if keyframe:
        compound += edge_rtp.picture_loss(1, 7)
    if remb_bps is not None:
        compound += edge_rtp.remb(1, 7, remb_bps)
    feedback = read_feedback(compound)
    assert sorted(feedback.nacked) == sorted(nacked)
    assert feedback.keyframe == keyframe
    if remb_bps is None:
        assert feedback.remb_bps is None
    else:
        assert feedback.remb_bps == pytest.approx(remb_bps, rel=1e-4, abs=1.0)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_an_error(data: bytes) -> None:
    assert isinstance(read_feedback(data), RtcpFeedback)
