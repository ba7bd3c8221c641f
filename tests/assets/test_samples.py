"""Videos as frames and in the formats that browsers read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from edge.assets import samples
from edge.ipc.picture import Picture


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten grey frames of rising brightness at 10 frames a second, 64x48."""
    path = tmp_path_factory.mktemp("video") / "grey.mkv"
    with av.open(str(path), "w") as target:
        stream = target.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(10):
            grey = np.full((72, 64), 16 + 20 * number, np.uint8)
            target.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="yuv420p")))
        target.mux(stream.encode(None))
    return path


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def brightness(frames: Iterator[av.VideoFrame]) -> list[int]:
    return [(int(frame.to_ndarray()[0, 0]) - 16) // 20 for frame in frames]


@pytest.mark.parametrize(
    ("fps", "expected"),
    [
        (None, list(range(10))),
        (4, [0, 2, 5, 7, 9]),
        (8, [0, 1, 2, 3, 5, 6, 7, 8, 9]),
        (16, [0, 0, 1, 1, 2, 3, 3, 4, 5, 5, 6, 6, 7, 8, 8, 9]),
    ],
)
def test_pictures_are_those_shown_at_each_tick(
    video: Path, fps: int | None, expected: list[int]
) -> None:
    assert brightness(samples.pictures(video, fps)) == expected


def test_text_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no pictures here\n" * 100)
    with pytest.raises((ValueError, av.error.FFmpegError)):
        list(samples.pictures(path))


def test_y4m_has_a_header_and_whole_frames(tmp_path: Path) -> None:
    path = tmp_path / "x.y4m"
    frame = av.VideoFrame.from_ndarray(np.full((72, 64), 99, np.uint8), format="yuv420p")
    samples.write_y4m(path, [Picture.from_av(frame)] * 2, 25)
    header, *frames = path.read_bytes().split(b"FRAME\n")
    assert header == b"YUV4MPEG2 W64 H48 F25:1 Ip A1:1 C420\n"
    assert frames == [b"\x63" * (64 * 48 * 3 // 2)] * 2
    assert [each.name for each in tmp_path.iterdir()] == ["x.y4m"]  # nothing half-written


def test_a_camera_file_is_scaled_cut_and_kept_in_the_cache(video: Path, cache: Path) -> None:
    path = samples.y4m(video, 10, width=32, seconds=0.5)
    assert path.parent == cache
    content = path.read_bytes()
    assert content.startswith(b"YUV4MPEG2 W32 H24 F10:1")
    assert content.count(b"FRAME\n") == 5
    path.write_bytes(b"kept")
    assert samples.y4m(video, 10, width=32, seconds=0.5).read_bytes() == b"kept"
    assert samples.y4m(video, 10, width=32) != path


def test_webm_is_vp8_of_the_same_length(video: Path) -> None:
    path = samples.webm(video)
    with av.open(str(path)) as made:
        assert made.streams.video[0].codec_context.name in ("vp8", "libvpx")
        assert sum(1 for _ in made.decode(video=0)) == 10
    assert samples.webm(video) == path
