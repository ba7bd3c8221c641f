"""H264 and VP8 made fit to be sent as they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.client.rtp.h264 import byte_stream, units_of
from edge.publish.media.passthrough import H264Stream, Vp8Stream, stream_of

SPS, PPS, PPS_1 = b"\x67\x42\xc0\x16\xda", b"\x68\xce\x3c\x80", b"\x68\x4f\x3c\x80"
IDR, SLICE, DROPPABLE = b"\x65\x88\x01", b"\x41\x9a\x01", b"\x01\x9e\x01"
DELIMITER, FILLER, SEI = b"\x09\x10", b"\x0c\xff", b"\x06\x05\x01"


def test_parameter_sets_of_the_extradata_go_before_each_key_frame() -> None:
    stream = H264Stream(byte_stream([SPS, PPS]))
    for _ in range(2):
        ready = stream.ready(byte_stream([IDR]))
        assert ready is not None
        assert (units_of(ready.data), ready.keyframe) == ([SPS, PPS, IDR], True)
    ready = stream.ready(byte_stream([SLICE]))
    assert ready is not None
    assert (units_of(ready.data), ready.keyframe, ready.droppable) == ([SLICE], False, False)


def test_sets_in_band_are_kept_for_later_and_not_repeated() -> None:
    stream = H264Stream()
    ready = stream.ready(byte_stream([SPS, PPS, PPS_1, IDR]))
    assert ready is not None
    assert units_of(ready.data) == [SPS, PPS, PPS_1, IDR]
    ready = stream.ready(byte_stream([PPS, IDR]))
    assert ready is not None
    assert units_of(ready.data) == [SPS, PPS_1, PPS, IDR]
    assert stream.ready(byte_stream([SPS])) is None


def test_a_changed_set_replaces_the_one_with_its_id() -> None:
    other = SPS[:-1] + b"\xdb"
    stream = H264Stream(byte_stream([SPS, PPS]))
    stream.ready(byte_stream([other]))
    ready = stream.ready(byte_stream([IDR]))
    assert ready is not None
    assert units_of(ready.data) == [other, PPS, IDR]


def test_delimiters_and_filler_are_left_out_and_sei_is_not() -> None:
    ready = H264Stream().ready(byte_stream([DELIMITER, SEI, DROPPABLE, FILLER]))
    assert ready is not None
    assert units_of(ready.data) == [SEI, DROPPABLE]
    assert ready.droppable


def test_length_prefixes_are_read_as_the_extradata_says() -> None:
    record = b"\1\x42\xc0\x16\xff\xe1\0\5" + SPS + b"\1\0\4" + PPS
    ready = H264Stream(record).ready(b"\0\0\0\3" + IDR)
    assert ready is not None
    assert units_of(ready.data) == [SPS, PPS, IDR]


@pytest.mark.parametrize(
    ("frames", "keys"),
    [
        ([[SLICE], [b"\x06\x06\x01", SLICE], [SLICE]], [False, True, False]),
        ([[SPS, PPS, SLICE], [SLICE]], [True, False]),
        ([[SPS], [PPS], [SLICE], [SLICE]], [None, None, True, False]),
        ([[SEI, SLICE]], [False]),
    ],
)
def test_a_decoder_can_begin_without_idr_pictures(
    frames: list[list[bytes]], keys: list[bool | None]
) -> None:
    stream = H264Stream()
    ready = [stream.ready(byte_stream(units)) for units in frames]
    assert [each and each.keyframe for each in ready] == keys


def test_vp8_key_frames_are_seen() -> None:
    assert [Vp8Stream().ready(data) for data in (b"",)] == [None]
    key, delta = stream_of("vp8", b"").ready(b"\x10\1"), stream_of("vp8", b"").ready(b"\x11\1")
    assert key is not None
    assert delta is not None
    assert (key.keyframe, delta.keyframe) == (True, False)


@pytest.mark.parametrize("configuration", [b"", b"\1\x42\xc0\x16\xff\xe1\0\5" + SPS])
@given(data=st.binary(max_size=300))
def test_any_bytes_are_read_without_an_error(configuration: bytes, data: bytes) -> None:
    H264Stream(configuration + data).ready(data)
    H264Stream(configuration).ready(byte_stream([data]))
