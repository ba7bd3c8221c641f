"""EncodedClip of a short clip: what can be left out, what is kept, what is refused."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from edge.rtc.jitter.depacketizer import depacketize
from netem.footage.encoded_clip import EncodedClip, EncodedRendition, EncodeError, Rendition

FPS, LOW, HIGH = 10, Rendition(96, 0.1), Rendition(96, 0.8)


def write_video(path: Path, seconds: float, size: tuple[int, int] = (192, 110)) -> Path:
    """A scene that moves, at 20 pictures a second."""
    width, height = size
    rows, columns = np.mgrid[0:height, 0:width]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=20)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index in range(round(20 * seconds)):
            grey = (127 + 120 * np.sin((rows + columns + 9 * index) / 7)).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(np.dstack([grey] * 3), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 20)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "clip.mp4", 1.7)


def clip(video: Path) -> EncodedClip:
    return EncodedClip(video, FPS, long_sides=(96, 128, 4096), bits=(0.1, 0.8))


def decoded(frames: list[tuple[int, bytes]]) -> dict[int, np.ndarray]:
    context = av.CodecContext.create("vp8", "r")
    return {
        index: picture.to_ndarray()
        for index, data in frames
        for picture in context.decode(av.Packet(data))
    }


def test_a_clip_is_whole_steps_and_knows_its_source_frames(video: Path) -> None:
    made = clip(video)
    assert (made.step, made.run) == (8, 32)
    assert made.ticks == 16  # of 17
    assert made.sources == tuple(range(0, 32, 2))
    assert made.long_sides == [96, 128]  # never larger than the clip
    assert made.size(96) == (96, 56)


def test_takes_begin_with_their_only_key_frame_at_each_step(video: Path) -> None:
    made = clip(video).get(HIGH)
    assert (made.width, made.height) == (96, 56)
    assert [len(take) for take in made.takes] == [32, 32]
    for take in made.takes:
        payloads = [depacketize("vp8", b"\x10" + data) for data in take]
        assert [each.keyframe for each in payloads if each is not None] == [True] + [False] * 31
        assert payloads[0] is not None
        assert (payloads[0].width, payloads[0].height) == (96, 56)


def test_a_take_shows_the_clip_from_its_step_on(video: Path) -> None:
    made = clip(video)
    with av.open(str(video)) as container:
        source = [f.reformat(96, 56, "yuv420p").to_ndarray() for f in container.decode(video=0)]
    for number, take in enumerate(made.get(HIGH).takes):
        pictures = decoded(list(enumerate(take)))
        for index in (0, 5, 13, 30):
            shown = made.sources[(number * made.step + index) % made.ticks]
            errors = [np.abs(pictures[index].astype(int) - each).mean() for each in source]
            assert int(np.argmin(errors)) == shown


def test_every_second_frame_can_be_left_out(video: Path) -> None:
    take = clip(video).get(HIGH).takes[1]
    whole = decoded(list(enumerate(take)))
    rng = np.random.default_rng(1)
    kept = [(i, data) for i, data in enumerate(take) if i % 2 == 0 or rng.random() < 0.5]
    part = decoded(kept)
    assert 16 < len(kept) < 32
    assert sorted(part) == [index for index, _ in kept]
    assert all((part[index] == whole[index]).all() for index in part)


def test_more_bits_are_more_bits(video: Path) -> None:
    made = clip(video)
    low, high = made.get(LOW), made.get(HIGH)
    assert low.bps < high.bps
    total = sum(len(data) for take in high.takes for data in take)
    assert high.bps == pytest.approx(8.0 * total / 64 * FPS)


def test_the_rung_at_or_below(video: Path) -> None:
    made = clip(video)
    high_bps = made.bps(Rendition(128, 0.8))
    assert made.rendition(608, high_bps) == Rendition(128, 0.8)
    assert made.rendition(608, high_bps - 1) == Rendition(128, 0.1)
    assert made.rendition(127, 1e9) == Rendition(96, 0.8)
    assert made.rendition(16, 0) == Rendition(96, 0.1)  # the least, where nothing is
    assert made.rendition(608, high_bps / 2, fps=5) == Rendition(
        128, 0.8
    )  # half the frames, half the bits


def test_an_encode_is_kept_and_read_again(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = clip(video).get(LOW)
    monkeypatch.setattr(EncodedClip, "_make", _must_not)
    again = clip(video)
    assert again.ready(LOW) is None
    assert again.get(LOW) == first
    assert again.ready(LOW) == first


def _must_not(_: EncodedClip, rendition: Rendition) -> EncodedRendition:
    raise AssertionError(f"{rendition} was made again")


def test_another_clip_of_the_same_name_is_another(video: Path) -> None:
    assert clip(video).get(LOW).width == 96
    write_video(video, 1.7, (110, 192))
    assert clip(video).get(LOW).height == 96


def test_prepare_says_what_it_makes(video: Path) -> None:
    reported: list[str] = []
    for _ in range(2):
        EncodedClip(
            video, FPS, long_sides=(96,), bits=(0.1, 0.8), progress=reported.append
        ).prepare()
    assert reported == [
        f"encoding clip.mp4 at 96 px, {bits} bits a pixel ({number} of 2) ..."
        for number, bits in ((1, 0.1), (2, 0.8))
    ]


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("none.mp4", "No such file"),
        ("noise.mp4", "not a readable video"),
        ("short.mp4", "shorter than 0.8 s"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, name: str, rule: str) -> None:
    (tmp_path / "noise.mp4").write_bytes(bytes(range(256)))
    write_video(tmp_path / "short.mp4", 0.5)
    with pytest.raises(EncodeError, match=f"{name}: {rule}"):
        EncodedClip(tmp_path / name, FPS)
