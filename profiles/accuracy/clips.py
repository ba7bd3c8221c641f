"""The original pictures that accuracy is measured on."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from edge.assets import samples

PAN = "photographs"

_PAN_LONG_SIDE = 960
_NOISE = 2.0  # standard deviation, of 255: sensor noise
_SWAY = 0.01  # of the view: hand shake


@dataclass(frozen=True, slots=True)
class Clip:
    """Frames (yuv420p, one size) at `fps`; `about` describes and identifies them."""

    name: str
    frames: list[av.VideoFrame]
    fps: int
    about: str

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.frames[0].width, self.frames[0].height


def from_file(path: Path, fps: int, seconds: float) -> Clip:
    """The first `seconds` of a video at `fps`. Raises ValueError if it has no pictures."""
    limit = max(1, round(fps * seconds))
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:8]
    try:
        frames = [
            frame if frame.format.name == "yuv420p" else frame.reformat(format="yuv420p")
            for frame in itertools.islice(samples.pictures(path, fps), limit)
        ]
    except (av.error.FFmpegError, IndexError, ValueError) as error:
        raise ValueError(f"{path}: not a video: {error}") from error
    if not frames:
        raise ValueError(f"{path}: no pictures in it")
    return Clip(
        path.stem, frames, fps, f"{path.name} (SHA-256 {digest}...), {_extent(frames, fps)}"
    )


def pan(fps: int, seconds: float) -> Clip:
    """A simulated hand-held camera over the two sample photographs, half of the time each."""
    random = np.random.default_rng(0)
    count = max(2, round(fps * seconds))
    frames = []
    for name, share in (("bus", count // 2), ("zidane", count - count // 2)):
        image = cv2.imread(str(samples.photo(name)))
        if image is None:
            raise ValueError(f"{samples.photo(name)}: not a photograph")
        pixels = np.asarray(image, dtype=np.uint8)
        frames += [
            av.VideoFrame.from_ndarray(view, format="bgr24").reformat(format="yuv420p")
            for view in _views(pixels, share, random)
        ]
    return Clip(PAN, frames, fps, f"a pan over bus.jpg and zidane.jpg, {_extent(frames, fps)}")


def _extent(frames: list[av.VideoFrame], fps: int) -> str:
    return f"{frames[0].width}x{frames[0].height}, {len(frames)} frames at {fps} a second"


def _views(
    image: npt.NDArray[np.uint8], count: int, random: np.random.Generator
) -> list[npt.NDArray[np.uint8]]:
    """16:9 views that cross the photograph there and back, and zoom in by a fifth."""
    height, width = image.shape[:2]
    widest = min(width, height * 16 / 9)
    size = (_PAN_LONG_SIDE, _PAN_LONG_SIDE * 9 // 16)
    views = []
    for time in np.linspace(0.0, 1.0, count):
        view_width = widest * (1.0 - 0.2 * np.sin(np.pi * time))
        view_height = view_width * 9 / 16
        along = (1.0 - np.cos(2.0 * np.pi * time)) / 2.0
        sway = _SWAY * np.array([np.sin(31.0 * time), np.cos(23.0 * time)])
        x = np.clip((along + sway[0]) * (width - view_width), 0.0, width - view_width)
        y = np.clip((along + sway[1]) * (height - view_height), 0.0, height - view_height)
        scale = size[0] / view_width
        move = np.array([[scale, 0.0, -x * scale], [0.0, scale, -y * scale]])
        view = cv2.warpAffine(image, move, size, flags=cv2.INTER_LINEAR)
        noisy = view + random.normal(0.0, _NOISE, view.shape)
        views.append(np.clip(np.rint(noisy), 0, 255).astype(np.uint8))
    return views
