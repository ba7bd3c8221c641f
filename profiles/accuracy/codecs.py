"""Pictures scaled, encoded as browsers do, and decoded again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

import av
import cv2
import numpy as np

from edge.ipc.picture import Picture

VIDEO = ("vp8", "h264")
JPEG = "jpeg90"  # square
JPEG_FIT = "jpeg90-fit"  # of the picture's own shape
NONE = "none"
CODECS = (*VIDEO, JPEG, JPEG_FIT, NONE)

_ENCODERS: dict[str, tuple[str, dict[str, str]]] = {
    # As libwebrtc sets libvpx up: real time, no error resilience, no look-ahead, constant rate
    # with a second of buffer, its limits of the quantiser. A negative speed is fixed; a positive
    # one adapts to the processor's load, so that results would depend on other programs.
    "vp8": (
        "libvpx",
        {
            "deadline": "realtime",
            "cpu-used": "-6",
            "error-resilient": "0",
            "lag-in-frames": "0",
            "auto-alt-ref": "0",
            "static-thresh": "1",
            "undershoot-pct": "100",
            "overshoot-pct": "15",
            "qmin": "2",
            "qmax": "56",
            "g": "3000",
        },
    ),
    # Constrained baseline, no B frames, no look-ahead, constant rate: like phones' encoders.
    "h264": (
        "libx264",
        {
            "preset": "veryfast",
            "tune": "zerolatency",
            "profile": "baseline",
            "g": "3000",
            "sc_threshold": "0",
        },
    ),
}
_BUFFER_S = 1.0


@dataclass(frozen=True, slots=True)
class SentPictures:
    """Pictures as received, and the encoded bits of each."""

    pictures: list[Picture]
    bits: list[int]


def sent_size(width: int, height: int, long_side: int) -> tuple[int, int]:
    """(width, height) of a picture scaled to a long side; even, as in browsers."""
    longest = max(width, height)
    return _even(width * long_side / longest), _even(height * long_side / longest)


def send(
    codec: str, frames: Sequence[av.VideoFrame], long_side: int, fps: int = 0, bps: float = 0.0
) -> SentPictures:
    """Frames scaled to the longest side, sent with `codec`, and decoded again, in order.

    jpeg90 sends squares of that side at quality 90, as Jellyfish does, and jpeg90-fit keeps the
    shape; they and "none" (12 bits a pixel) have no rate. Raises ValueError for an unknown codec.
    """
    if codec == JPEG:
        return _send_jpeg([_scaled(frame, long_side, long_side) for frame in frames])
    scaled = [_scaled(frame, *sent_size(frame.width, frame.height, long_side)) for frame in frames]
    if codec == JPEG_FIT:
        return _send_jpeg(scaled)
    if codec == NONE:
        return SentPictures(
            [Picture.from_av(frame) for frame in scaled],
            [12 * frame.width * frame.height for frame in scaled],
        )
    if codec not in _ENCODERS:
        raise ValueError(f"unknown codec {codec!r}: one of {', '.join(CODECS)}")
    return _send_video(codec, scaled, fps, bps)


def _send_video(codec: str, frames: Sequence[av.VideoFrame], fps: int, bps: float) -> SentPictures:
    name, options = _ENCODERS[codec]
    encoder = cast(Any, av.CodecContext.create(name, "w"))
    encoder.width, encoder.height = frames[0].width, frames[0].height
    encoder.pix_fmt = "yuv420p"
    encoder.framerate, encoder.time_base = Fraction(fps), Fraction(1, fps)
    encoder.bit_rate = round(bps)
    encoder.thread_count = 1  # the same result on every machine
    rate = str(round(bps))
    buffer = str(round(bps * _BUFFER_S))
    encoder.options = {**options, "minrate": rate, "maxrate": rate, "bufsize": buffer}
    decoder = cast(Any, av.CodecContext.create(codec, "r"))
    decoder.thread_count = 1
    pictures: list[Picture] = []
    bits: list[int] = []
    for index, frame in enumerate(frames):
        frame.pts, frame.time_base = index, Fraction(1, fps)
        frame.pict_type = 0  # not the source's key frames
        for packet in encoder.encode(frame):
            bits.append(8 * packet.size)
            pictures += (Picture.from_av(each) for each in decoder.decode(packet))
    for packet in encoder.encode(None):
        bits.append(8 * packet.size)
        pictures += (Picture.from_av(each) for each in decoder.decode(packet))
    pictures += (Picture.from_av(each) for each in decoder.decode(None))
    if not len(frames) == len(pictures) == len(bits):
        raise RuntimeError(f"{name} made {len(bits)} packets of {len(frames)} frames")
    return SentPictures(pictures, bits)


def _send_jpeg(frames: Sequence[av.VideoFrame]) -> SentPictures:
    pictures, bits = [], []
    for frame in frames:
        pixels = frame.to_ndarray(format="bgr24")
        _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])
        bits.append(8 * len(data))
        image = cv2.cvtColor(np.asarray(cv2.imdecode(data, 1)), cv2.COLOR_BGR2RGB)
        pictures.append(Picture.from_rgb(np.asarray(image, dtype=np.uint8)))
    return SentPictures(pictures, bits)


def _scaled(frame: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
    """The frame at a size, by area averaging."""
    return frame.reformat(width=width, height=height, format="yuv420p", interpolation="AREA")


def _even(side: float) -> int:
    return max(2, 2 * round(side / 2))
