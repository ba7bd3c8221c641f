"""A camera file's frames are identified by their own pixels."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from edge.assets.samples import write_y4m
from edge.ipc.picture import Picture
from netem.footage import camera_file
from netem.footage.camera_file import (
    FINGERPRINT_ROWS,
    CameraFile,
    Footage,
    FootageError,
    camera,
    fingerprint,
    first_row,
)
from profiles.accuracy.clips import Clip


def video(path: Path, luma: list[np.ndarray]) -> Path:
    """A lossless video of grey pictures, 10 a second."""
    with av.open(str(path), "w") as target:
        stream = target.add_stream("ffv1", rate=10)
        stream.height, stream.width = luma[0].shape
        stream.pix_fmt = "yuv420p"
        for picture in luma:
            frame = av.VideoFrame.from_ndarray(picture, format="gray").reformat(format="yuv420p")
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return path


def noise(count: int, height: int = 96) -> list[np.ndarray]:
    random = np.random.default_rng(1)
    return [random.integers(16, 235, (height, 64), dtype=np.uint8) for _ in range(count)]


def test_a_camera_begins_where_it_is_told_and_knows_each_frame(tmp_path: Path) -> None:
    footage = Footage(video(tmp_path / "a.mkv", noise(20)), 5)
    made = camera(footage, 4, tmp_path)
    assert footage.sources == (*range(0, 20, 2), 19)
    assert made.sources == (8, 10, 12, 14, 16, 18, 19, 0, 2, 4, 6)
    with av.open(str(made.path)) as container:
        shown = [Picture.from_av(frame) for frame in container.decode(video=0)]
    assert [made.fingerprints[fingerprint(picture.y)] for picture in shown] == list(made.sources)


def test_pictures_that_differ_only_outside_the_middle_rows_are_refused(tmp_path: Path) -> None:
    one, other = noise(1)[0], noise(1)[0].copy()
    other[0] = 255 - other[0]
    assert first_row(96) > 0
    with pytest.raises(FootageError, match="cannot be told apart"):
        camera(Footage(video(tmp_path / "b.mkv", [one, other]), 10), 0, tmp_path)


def test_the_same_picture_twice_is_no_matter(tmp_path: Path) -> None:
    one, other = noise(2)
    made = camera(Footage(video(tmp_path / "c.mkv", [one, one, other]), 10), 0, tmp_path)
    assert isinstance(made, CameraFile)
    assert made.sources == (0, 1, 2)
    assert set(made.fingerprints.values()) == {0, 2}


def test_a_low_picture_is_its_own_print(tmp_path: Path) -> None:
    low = noise(1, height=FINGERPRINT_ROWS // 2)[0]
    assert fingerprint(low) != fingerprint(255 - low)
    y4m = tmp_path / "low.y4m"
    write_y4m(y4m, [Picture.from_rgb(np.repeat(low[..., None], 3, axis=2))], 5)
    assert y4m.is_file()


def test_the_photographs_are_made_into_a_video_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def short_pan(fps: int, seconds: float) -> Clip:
        made.append(fps)
        frames = [
            av.VideoFrame.from_ndarray(luma, format="gray").reformat(format="yuv420p")
            for luma in noise(5)
        ]
        return Clip("photographs", frames, fps, "five pictures of noise")

    monkeypatch.setenv("EDGE_CACHE", str(tmp_path))
    monkeypatch.setattr(camera_file, "pan", short_pan)
    path = camera_file.sample_video("photographs")
    assert camera_file.sample_video("photographs") == path
    assert len(made) == 1
    assert Footage(path, made[0]).sources == (0, 1, 2, 3, 4)
