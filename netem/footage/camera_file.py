"""The clients' video as a camera file, each of whose frames is identified by its own pixels.

Nothing is drawn into the picture: a frame's *fingerprint* is a sum over its middle rows of luma,
which a page can also compute of its camera's frames (netem/experiment/observer.js).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import av
import numpy as np

from edge.assets import samples
from edge.base.directories import cache_dir
from edge.ipc.picture import Picture, Plane
from netem.footage.encoded_clip import SECONDS, on_show
from profiles.accuracy.clips import pan

FINGERPRINT_ROWS = 32
_MIX = 2_654_435_761  # Knuth's multiplicative hash: a different weight for each position
_PAN_FPS = 25

SAMPLES = ("street", "photographs")


class FootageError(Exception):
    """A video with frames that cannot be told apart; the message names them."""


@dataclass(frozen=True)
class Footage:
    """The first seconds of a video file, at `fps`, scaled to `width` unless that is 0."""

    video: Path
    fps: int
    width: int = 0

    @cached_property
    def sources(self) -> tuple[int, ...]:
        """The source frame shown at each tick, as its number in the file."""
        return tuple(source for source, _ in on_show(self.video, self.fps, SECONDS))

    def pictures(self) -> Iterator[tuple[int, Picture]]:
        """(source frame, picture) at each tick."""
        for source, frame in on_show(self.video, self.fps, SECONDS):
            yield source, self._picture(frame)

    @cached_property
    def size(self) -> tuple[int, int]:
        """(width, height) of the pictures."""
        _, picture = next(self.pictures())
        return picture.width, picture.height

    @property
    def key(self) -> str:
        """A short hash of file and width, the same for every frame rate."""
        facts = self.video.stat()
        text = f"{self.video.resolve()}:{facts.st_size}:{facts.st_mtime_ns}:{self.width}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _picture(self, frame: av.VideoFrame) -> Picture:
        width, height = frame.width & ~1, frame.height & ~1
        if self.width:
            width = self.width & ~1
            height = round(frame.height * width / frame.width / 2) * 2
        if (width, height) != (frame.width, frame.height):
            frame = frame.reformat(width=width, height=height, format="yuv420p")
        return Picture.from_av(frame)


@dataclass(frozen=True, slots=True)
class CameraFile:
    """A y4m file, its source frames in order, and the source frame of each fingerprint."""

    path: Path
    sources: tuple[int, ...]
    fingerprints: dict[int, int]
    fps: int


def camera(footage: Footage, first: int, folder: Path) -> CameraFile:
    """The footage, rotated to begin at tick `first`, as a file in `folder`; made once.

    Raises FootageError if two different pictures have the same fingerprint.
    """
    shown = list(footage.pictures())
    pictures = [picture for _, picture in shown]
    fingerprints: dict[int, int] = {}
    by_fingerprint: dict[int, Picture] = {}
    for source, picture in shown:
        key = fingerprint(picture.y)
        other = by_fingerprint.setdefault(key, picture)
        if other is not picture and not np.array_equal(other.y, picture.y):
            raise FootageError(
                f"{footage.video}: frames {fingerprints[key]} and {source} have the same"
                " middle rows and cannot be told apart"
            )
        fingerprints.setdefault(key, source)
    first %= len(pictures)
    path = folder / f"{footage.key}-{footage.fps}-{first}.y4m"
    if not path.is_file():
        samples.write_y4m(path, [*pictures[first:], *pictures[:first]], footage.fps)
    sources = tuple(source for source, _ in [*shown[first:], *shown[:first]])
    return CameraFile(path, sources, fingerprints, footage.fps)


def fingerprint(luma: Plane) -> int:
    """A picture's fingerprint; 32 bits."""
    height = luma.shape[0]
    first = first_row(height)
    rows = luma[first : first + FINGERPRINT_ROWS].astype(np.uint64)
    places = np.arange(1, rows.size + 1, dtype=np.uint64) * np.uint64(_MIX) & np.uint64(0xFFFFFFFF)
    return int((rows.reshape(-1) * places).sum() & np.uint64(0xFFFFFFFF))


def first_row(height: int) -> int:
    """The first row of the fingerprint; even, because chroma is subsampled."""
    return max(0, (height - FINGERPRINT_ROWS) // 2) & ~1


def sample_video(name: str) -> Path:
    """The sample `street` (fetched) or `photographs` (made), at its first use."""
    return samples.street_video() if name == "street" else _pan_video()


def _pan_video() -> Path:
    """A pan over two photographs, at a quality high enough for a source."""
    path = cache_dir() / "photographs.mp4"
    if not path.is_file():
        clip = pan(_PAN_FPS, SECONDS)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part.mp4")
        with av.open(str(partial), "w") as target:
            stream = target.add_stream("libx264", rate=_PAN_FPS)
            stream.width, stream.height = clip.size
            stream.pix_fmt = "yuv420p"
            stream.options = {"crf": "10", "preset": "veryfast"}
            for index, frame in enumerate(clip.frames):
                frame.pts, frame.time_base = index, Fraction(1, _PAN_FPS)
                target.mux(stream.encode(frame))
            target.mux(stream.encode(None))
        partial.replace(path)
    return path
