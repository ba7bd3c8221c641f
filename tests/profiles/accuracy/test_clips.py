"""Clips that accuracy is measured on."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from profiles.accuracy.clips import from_file, pan
from tests.netem.footage.test_camera_file import noise, video


def test_a_files_clip_has_the_frame_rate_asked_for_and_names_its_content(tmp_path: Path) -> None:
    path = video(tmp_path / "a.mkv", noise(20))  # 10 a second
    clip = from_file(path, 5, 1.0)
    assert (clip.name, clip.fps, len(clip.frames), clip.size) == ("a", 5, 5, (64, 96))
    assert {frame.format.name for frame in clip.frames} == {"yuv420p"}
    assert "a.mkv (SHA-256 " in clip.about
    (tmp_path / "b").mkdir()
    other = video(tmp_path / "b" / "a.mkv", noise(21))
    assert from_file(other, 5, 1.0).about != clip.about


@pytest.mark.parametrize("content", [b"", b"no video" * 100])
def test_a_file_without_pictures_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"clip\.mp4: "):
        from_file(path, 5, 1.0)


def test_the_pan_moves_over_both_photographs_the_same_way_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)

    def photo(name: str) -> Path:
        path = tmp_path / f"{name}.png"
        if not path.is_file():
            cv2.imwrite(str(path), random.integers(0, 255, (300, 200, 3), np.uint8))
        return path

    monkeypatch.setattr("edge.assets.samples.photo", photo)
    clip, again = pan(10, 1.0), pan(10, 1.0)
    assert (clip.size, len(clip.frames)) == ((960, 540), 10)
    pictures = [frame.to_ndarray() for frame in clip.frames]
    for one, other in zip(pictures, (frame.to_ndarray() for frame in again.frames), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not any(np.array_equal(pictures[0], other) for other in pictures[1:])
