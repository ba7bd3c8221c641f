"""NAL units of byte streams, of packets with lengths, and of codec extradata."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.client.rtp import h264

SPS, PPS = b"\x67\x42\xc0\x16", b"\x68\xce\x3c\x80"


def test_a_byte_stream_is_split_at_start_codes_of_either_length() -> None:
    stream = b"junk\0\0\0\1" + SPS + b"\0\0\1" + PPS + b"\0\0\0\1\x65\1\2\0\0"
    assert h264.units_of(stream) == [SPS, PPS, b"\x65\1\2"]
    assert h264.units_of(b"") == []


def test_extradata_is_a_record_or_a_byte_stream() -> None:
    record = b"\1\x42\xc0\x16\xff\xe1\0\4" + SPS + b"\1\0\4" + PPS
    assert h264.units_of_configuration(record) == ([SPS, PPS], 4)
    assert h264.units_of_configuration(h264.byte_stream([SPS, PPS])) == ([SPS, PPS], 0)
    assert h264.units_of_configuration(b"") == ([], 0)


def test_a_packet_of_lengths_is_split_and_a_truncated_unit_left_out() -> None:
    packet = b"\0\4" + SPS + b"\0\4" + PPS + b"\0\7\x65"
    assert h264.units_by_length(packet, 2) == [SPS, PPS]


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_an_error(data: bytes) -> None:
    h264.units_of(data)
    h264.units_of_configuration(b"\1" + data)
    for prefix in (1, 2, 4):
        h264.units_by_length(data, prefix)
