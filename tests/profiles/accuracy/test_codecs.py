"""What becomes of pictures on their way: real encoders, real decoders."""

import av
import numpy as np
import pytest

from profiles.accuracy.codecs import send, sent_size

FPS = 15


@pytest.fixture(scope="module")
def frames() -> list[av.VideoFrame]:
    """A second of a textured square that moves over a textured ground."""
    random = np.random.default_rng(0)
    ground = random.integers(0, 255, (72, 128, 3), np.uint8).repeat(5, 0).repeat(5, 1)[:360, :640]
    thing = random.integers(0, 255, (90, 90, 3), np.uint8)
    made = []
    for index in range(FPS):
        picture = ground.copy()
        picture[100:190, 20 * index : 20 * index + 90] = thing
        made.append(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p"))
    return made


@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_a_video_arrives_whole_at_about_its_rate(codec: str, frames: list[av.VideoFrame]) -> None:
    sent = send(codec, frames * 2, 320, FPS, 400_000)
    assert len(sent.pictures) == len(sent.bits) == 2 * FPS
    assert {(p.width, p.height) for p in sent.pictures} == {(320, 180)}
    assert sum(sent.bits[FPS:]) == pytest.approx(400_000, rel=0.4)


@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_more_bits_look_more_like_the_original(codec: str, frames: list[av.VideoFrame]) -> None:
    exact = send("none", frames, 320).pictures[-1].y.astype(float)
    errors = []
    for bps in (60_000, 300_000, 2_000_000):
        arrived = send(codec, frames, 320, FPS, bps).pictures[-1].y
        errors.append(float(np.abs(arrived - exact).mean()))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.7 * errors[0]


@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_the_same_comes_out_again(codec: str, frames: list[av.VideoFrame]) -> None:
    one, other = (send(codec, frames, 256, FPS, 200_000) for _ in range(2))
    assert one.bits == other.bits
    assert (one.pictures[-1].y == other.pictures[-1].y).all()


def test_jpeg_comes_square_or_as_it_was(frames: list[av.VideoFrame]) -> None:
    square = send("jpeg90", frames[:2], 224)
    fitting = send("jpeg90-fit", frames[:2], 224)
    assert [(p.width, p.height) for p in square.pictures] == [(224, 224)] * 2
    assert [(p.width, p.height) for p in fitting.pictures] == [(224, 126)] * 2
    assert all(8 * 1000 < bits < 12 * 224 * 224 for bits in square.bits)
    assert all(few < many for few, many in zip(fitting.bits, square.bits, strict=True))


def test_none_takes_nothing_away(frames: list[av.VideoFrame]) -> None:
    sent = send("none", frames[:1], 640)
    assert sent.bits == [12 * 640 * 360]
    original = frames[0].to_ndarray()[:360]
    assert (sent.pictures[0].y == original).all()


def test_an_unknown_codec_is_named(frames: list[av.VideoFrame]) -> None:
    with pytest.raises(ValueError, match="vp9"):
        send("vp9", frames, 320, FPS, 1e5)


@pytest.mark.parametrize(
    ("size", "long_side", "expected"),
    [
        ((1280, 720), 416, (416, 234)),
        ((720, 1280), 416, (234, 416)),
        ((640, 272), 192, (192, 82)),
        ((1000, 3), 100, (100, 2)),
    ],
)
def test_sides_are_even_and_shapes_kept(
    size: tuple[int, int], long_side: int, expected: tuple[int, int]
) -> None:
    assert sent_size(*size, long_side) == expected
