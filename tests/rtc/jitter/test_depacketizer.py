"""Depacketising real VP8 and H264, and anything else."""

from __future__ import annotations

import pytest
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import VpxPayloadDescriptor
from hypothesis import given
from hypothesis import strategies as st

from edge.rtc.jitter.depacketizer import CODECS, depacketize
from tests.rtc.streams import encode, packetise, units


@pytest.mark.parametrize("codec", ["vp8", "h264", "vp9"])
def test_packets_join_to_the_frame_that_was_cut(codec: str) -> None:
    frames = encode(codec, 6, keys=(0, 3))
    for frame, packets in zip(frames, packetise(codec, frames), strict=True):
        parts = [packet.media for packet in packets]
        assert all(part is not None for part in parts)
        joined = b"".join(part.data for part in parts if part)
        if codec != "h264":
            assert joined == frame.data
        else:
            assert units(joined) == units(frame.data)
        assert any(part.keyframe for part in parts if part) == frame.keyframe
        assert any(part.delta for part in parts if part) != frame.keyframe
        assert parts[0] is not None
        assert parts[0].starts


def test_vp8_key_frames_tell_their_size() -> None:
    (packets,) = packetise("vp8", encode("vp8", 1, 322, 178))
    first, *others = [packet.media for packet in packets]
    assert first is not None
    assert (first.width, first.height, first.first) == (322, 178, True)
    assert others
    assert not any(other.first or other.starts for other in others if other)


@given(
    picture_id=st.none() | st.integers(0, 0x7FFF),
    tl0picidx=st.none() | st.integers(0, 255),
    tid=st.none() | st.tuples(st.integers(0, 3), st.integers(0, 1)),
    keyidx=st.none() | st.integers(0, 31),
    start=st.booleans(),
    data=st.binary(min_size=1, max_size=40).map(lambda tail: b"\x01" + tail),
)
def test_reads_vp8_descriptors_that_aiortc_writes(
    *,
    picture_id: int | None,
    tl0picidx: int | None,
    tid: tuple[int, int] | None,
    keyidx: int | None,
    start: bool,
    data: bytes,
) -> None:
    descriptor = VpxPayloadDescriptor(int(start), 0, picture_id, tl0picidx, tid, keyidx)
    media = depacketize("vp8", bytes(descriptor) + data)
    assert media is not None
    assert media.data == data
    assert (media.first, media.delta, media.keyframe) == (start, start, False)


def test_reads_h264_that_aiortc_packs() -> None:
    (frame,) = encode("h264", 1, 640, 480)
    payloads = H264Encoder._packetize(units(frame.data))
    assert {payload[0] & 0x1F for payload in payloads} >= {24, 28}  # STAP-A and FU-A
    media = [depacketize("h264", payload) for payload in payloads]
    assert units(b"".join(part.data for part in media if part)) == units(frame.data)
    assert media[0] is not None
    assert media[0].first


def test_frames_that_nothing_refers_to_are_known() -> None:
    reference, spare = b"\x10\x01rest", b"\x30\x01rest"
    for payload, droppable in ((reference, False), (spare, True)):
        media = depacketize("vp8", payload)
        assert media is not None
        assert media.droppable is droppable
    for unit, droppable in ((b"\x41abc", False), (b"\x01abc", True)):
        media = depacketize("h264", unit)
        assert media is not None
        assert media.droppable is droppable


@pytest.mark.parametrize(
    ("codec", "payload"),
    [
        ("vp8", b"\x10"),
        ("vp8", b"\x90\x80"),
        ("vp8", b"\x10\x00"),  # a key frame without its header
        ("vp8", b"\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"),  # nor its start code
        ("h264", b"\x65"),
        ("h264", b"\x18\x00\x05ab"),  # an aggregate cut short
        ("h264", b"\x1c\x85"),  # a fragment of nothing
        ("h264", b"\x1e\x00\x00"),
    ],
)
def test_nonsense_is_refused(codec: str, payload: bytes) -> None:
    assert depacketize(codec, payload) is None


@given(st.sampled_from(sorted(CODECS)), st.binary(max_size=100))
def test_no_bytes_make_it_raise(codec: str, payload: bytes) -> None:
    depacketize(codec, payload)
