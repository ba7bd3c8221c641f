"""Parameter sets: kept by kind and id, read from an offer, given to key frames that lack them."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.rtc.jitter.nal_units import START_CODE, parameter_set_id, recovery_frames
from edge.rtc.jitter.parameter_sets import MAX_UNIT_BYTES, MAX_UNITS, ParameterSets, read_sprop
from tests.rtc.numbered import x264

_SPS, _PPS = x264(1)[0].units[:2]


def test_real_ones_are_known_by_kind_and_id() -> None:
    assert parameter_set_id(_SPS) == (7, 0)
    assert parameter_set_id(_PPS) == (8, 0)
    assert parameter_set_id(b"\x65\x88") is None


def test_an_offer_tells_them_by_payload_type() -> None:
    sets = ",".join(base64.b64encode(unit).decode() for unit in (_SPS, _PPS))
    sdp = (
        "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96 102\r\na=rtpmap:96 VP8/90000\r\n"
        "a=rtpmap:102 H264/90000\r\na=fmtp:102 packetization-mode=1;"
        f" sprop-parameter-sets={sets};profile-level-id=42e01f\r\na=fmtp:104 level=1\r\n"
    )
    assert read_sprop(sdp) == {102: [_SPS, _PPS]}
    assert read_sprop(sdp.replace(sets, "====,!")) in ({}, {102: [b"", b""]}, {102: [b""]})


@given(st.text(max_size=60))
def test_no_text_makes_it_raise(text: str) -> None:
    sets = ParameterSets()
    for units in read_sprop(f"a=fmtp:96 sprop-parameter-sets={text}").values():
        sets.add(units, in_band=False)


@given(st.binary(max_size=40))
def test_no_unit_makes_it_raise(unit: bytes) -> None:
    parameter_set_id(unit)
    recovery_frames(unit)
    ParameterSets().add([unit])


def test_a_key_frame_gets_what_it_lacks() -> None:
    sets = ParameterSets()
    sets.add([_SPS, _PPS], in_band=False)
    assert sets.missing_from([]) == START_CODE + _SPS + START_CODE + _PPS
    assert sets.missing_from([_PPS]) == START_CODE + _SPS
    assert sets.missing_from([_SPS, _PPS]) == b""


def test_those_of_the_video_replace_those_of_the_sdp_until_another_source() -> None:
    sets = ParameterSets()
    newer = _SPS + b"\x00"
    sets.add([_SPS, _PPS], in_band=False)
    sufficed = sets.suffice
    sets.add([newer, _PPS])
    sets.add([_SPS, _PPS], in_band=False)
    assert sets.missing_from([_PPS]) == START_CODE + newer
    assert (sufficed, sets.suffice) == (True, False)
    sets.restart()
    assert sets.missing_from([_PPS]) == START_CODE + _SPS


def test_they_are_bounded() -> None:
    sets = ParameterSets()
    sets.add([_SPS + bytes(MAX_UNIT_BYTES)])
    assert sets.missing_from([]) == b""
    numbers = range(1, 256)
    sets.add(b"\x68" + (number << 7).to_bytes(4, "big")[1:] + b"\x80" for number in numbers)
    assert sets.missing_from([]).count(START_CODE + b"\x68") <= MAX_UNITS


@pytest.mark.parametrize(
    ("unit", "count"),
    [
        (b"\x06\x06\x01\xc4\x80", 0),
        (b"\x06\x05\x02ab\x06\x01\x12\x80", 8),  # after another message
        (b"\x06\x05\x02ab\x80", None),
        (b"\x06\x06\x01", None),
        (b"\x06\xff\xff", None),
    ],
)
def test_recovery_points_are_read(unit: bytes, count: int | None) -> None:
    assert recovery_frames(unit) == count


def test_x264s_recovery_points_are_read() -> None:
    stream = x264(31, "intra-refresh=1:keyint=15:bframes=0")
    points = {
        picture.number: count
        for picture in stream
        for unit in picture.units
        if unit[0] & 0x1F == 6 and (count := recovery_frames(unit)) is not None
    }
    assert set(points) == {15, 30}
    assert all(0 < count < 15 for count in points.values())
