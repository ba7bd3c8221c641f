"""Small recordings for tests."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
from av.video.stream import VideoStream

from tests.serving import noise


def recording(
    path: Path, *, frames: int, fps: int, b_frames: int = 0, codec: str = "libx264"
) -> Path:
    """A file of that many pictures, 320x180."""
    pictures = noise(320, 180)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        stream.codec_context.gop_size = fps // 2
        if codec == "libx264":
            stream.options = {"preset": "ultrafast", "bf": str(b_frames), "b_strategy": "0"}
        for number in range(frames):
            picture = pictures[number % len(pictures)]
            picture.pts, picture.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path
