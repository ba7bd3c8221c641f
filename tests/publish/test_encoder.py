"""Real pictures through the real encoders."""

from __future__ import annotations

import threading
from fractions import Fraction

import av
import pytest
from av.video.codeccontext import VideoCodecContext

from edge.client.clocks import unix_ms
from edge.client.rtp.rtp_packetiser import Codec
from edge.publish.media.encoder import EncodedFrame, Encoder, Target, Transcoder, codec, scaled
from edge.publish.media.passthrough import stream_of
from tests.serving import noise

SIZE = (320, 180)


def decoded(name: Codec, frames: list[bytes]) -> list[tuple[int, int]]:
    """The sizes of the pictures that a decoder makes of the frames."""
    context = av.CodecContext.create(name, "r")
    assert isinstance(context, VideoCodecContext)
    context.thread_count = 1
    pictures = [p for frame in frames for p in context.decode(av.Packet(frame))]
    pictures += context.decode(None)
    return [(picture.width, picture.height) for picture in pictures]


def pictures(count: int) -> list[av.VideoFrame]:
    made = []
    for number in range(count):
        picture = noise(*SIZE)[number % 3]
        picture.pts = 6000 * number
        made.append(picture)
    return made


@pytest.mark.parametrize("name", ["h264", "vp8"])
def test_one_picture_in_is_one_frame_out_with_key_frames_as_asked(name: Codec) -> None:
    encoder, target = Encoder(name), Target(320, 15.0, 1e6)
    encoded = [
        encoder.encode(picture, target, keyframe=number == 5)
        for number, picture in enumerate(pictures(10))
    ]
    assert all(data for data, _ in encoded)
    assert [key for _, key in encoded] == [number in (0, 5) for number in range(10)]
    assert decoded(name, [data for data, _ in encoded]) == [SIZE] * 10
    # Each key frame can be decoded alone: its parameter sets are in band.
    assert decoded(name, [data for data, _ in encoded[5:]]) == [SIZE] * 5
    ready = stream_of(name, b"").ready(encoded[5][0])
    assert ready is not None
    assert ready.keyframe


@pytest.mark.parametrize("name", ["h264", "vp8"])
def test_another_size_begins_with_a_key_frame(name: Codec) -> None:
    encoder = Encoder(name)
    encoded = [
        encoder.encode(picture, Target(edge, 15.0, 1e6), keyframe=False)
        for picture, edge in zip(pictures(4), (320, 320, 160, 160), strict=True)
    ]
    assert [key for _, key in encoded] == [True, False, True, False]
    assert decoded(name, [data for data, _ in encoded]) == [SIZE] * 2 + [(160, 90)] * 2


@pytest.mark.parametrize("name", ["h264", "vp8"])
def test_fewer_bits_are_fewer_bytes(name: Codec) -> None:
    encoder = Encoder(name)
    sizes = [
        len(encoder.encode(picture, Target(320, 15.0, bps), keyframe=False)[0])
        for picture, bps in zip(pictures(90), [1.2e6] * 45 + [0.6e6] * 45, strict=True)
    ]
    before, after = sum(sizes[15:45]) / 30, sum(sizes[60:90]) / 30
    assert before * 8 * 15 <= 1.3 * 1.2e6
    assert after < 0.75 * before


@pytest.mark.parametrize(
    ("size", "edge", "made"),
    [
        ((1920, 1080), 416, (416, 234)),
        ((1080, 1920), 416, (234, 416)),
        ((320, 180), 608, (320, 180)),
        ((321, 181), 608, (320, 180)),
        ((640, 2), 64, (64, 2)),
    ],
)
def test_a_picture_is_made_smaller_never_larger_and_even(
    size: tuple[int, int], edge: int, made: tuple[int, int]
) -> None:
    assert scaled(*size, edge) == made


class Posted:
    """Collects what a transcoder posts, from its thread."""

    def __init__(self) -> None:
        self.frames: list[EncodedFrame] = []
        self._arrived = threading.Condition()

    def __call__(self, frame: EncodedFrame) -> None:
        with self._arrived:
            self.frames.append(frame)
            self._arrived.notify_all()

    def wait(self, count: int) -> list[EncodedFrame]:
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.frames) >= count, 60.0)
        return self.frames


def mjpeg(count: int) -> list[bytes]:
    context = av.CodecContext.create("mjpeg", "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = *SIZE, "yuvj420p"
    context.time_base = Fraction(1, 15)
    made = []
    for number, picture in enumerate(pictures(count)):
        full = picture.reformat(format="yuvj420p")
        full.pts, full.time_base = number, Fraction(1, 15)
        made += [bytes(packet) for packet in context.encode(full)]
    return made


@pytest.fixture
def decoder() -> VideoCodecContext:
    context = av.CodecContext.create("mjpeg", "r")
    assert isinstance(context, VideoCodecContext)
    context.thread_count = 1
    return context


def test_every_picture_is_encoded_or_has_a_reason(decoder: VideoCodecContext) -> None:
    posted = Posted()
    waiting_ms = [0.0]
    transcoder = Transcoder(decoder, codec(), Target(160, 7.5, 1e6), posted, lambda: waiting_ms[0])
    begin_ms = unix_ms() + 60_000.0  # not behind, whatever the machine does
    frames = mjpeg(20)
    for number, data in enumerate(frames):
        at_ms = begin_ms + 1000.0 * number / 15.0
        assert transcoder.put(data, at_ms, at_ms, keyframe=True)
    made = posted.wait(20)
    assert [frame.reason for frame in made] == ["", "paced"] * 10
    assert {frame.size for frame in made if frame.data} == {(160, 90)}
    waiting_ms[0] = 1_000.0
    transcoder.put(frames[0], begin_ms + 2_000.0, begin_ms + 2_000.0, keyframe=True)
    assert posted.wait(21)[-1].reason == "encoder"
    transcoder.stop()


def test_damaged_frames_are_counted_and_end_nothing(decoder: VideoCodecContext) -> None:
    posted = Posted()
    transcoder = Transcoder(decoder, codec(), Target(160, 15.0, 1e6), posted, lambda: 0.0)
    at_ms = unix_ms() + 60_000.0
    transcoder.put(b"not a picture", at_ms, at_ms, keyframe=True)
    transcoder.put(mjpeg(1)[0], at_ms, at_ms, keyframe=True)
    posted.wait(1)
    transcoder.stop()
