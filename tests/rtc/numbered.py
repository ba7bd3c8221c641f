"""H264 streams by x264 whose pictures carry their number in their pixels, top and bottom."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from tests.rtc.streams import units

WIDTH, HEIGHT = 256, 192
_BITS = 8
_CELL = WIDTH // _BITS  # pixels: two macroblocks a bit


@dataclass(frozen=True)
class AccessUnit:
    """One picture as the encoder made it: its number, and its NAL units in the order of H.264."""

    number: int
    units: tuple[bytes, ...]

    @property
    def kinds(self) -> list[int]:
        return [unit[0] & 0x1F for unit in self.units]

    @property
    def slices(self) -> list[bytes]:
        return [unit for unit in self.units if unit[0] & 0x1F in (1, 5)]

    @property
    def others(self) -> list[bytes]:
        return [unit for unit in self.units if unit[0] & 0x1F not in (1, 5)]


def numbered_picture(number: int) -> av.VideoFrame:
    """A picture with a grey ramp, and its number in white and black cells above and below."""
    y = np.fromfunction(lambda r, c: 60 + (r + c + 3 * number) % 120, (HEIGHT, WIDTH))
    for bit in range(_BITS):
        level = 235 if number >> bit & 1 else 16
        y[:_CELL, bit * _CELL : (bit + 1) * _CELL] = level
        y[-_CELL:, bit * _CELL : (bit + 1) * _CELL] = level
    rgb = np.repeat(y.astype(np.uint8)[:, :, None], 3, axis=2)
    return av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")


def number_in(image: av.VideoFrame) -> int | None:
    """The number in a picture's pixels; None where above and below are not the same."""
    plane = image.planes[0]  # read in place: converting thousands of pictures takes a minute
    y = np.frombuffer(cast(Any, plane), np.uint8).reshape(-1, plane.line_size)
    numbers = []
    for row in (_CELL // 2, image.height - _CELL // 2):
        cells = (
            y[row - 4 : row + 4, bit * _CELL + 8 : (bit + 1) * _CELL - 8].mean()
            for bit in range(_BITS)
        )
        numbers.append(sum(int(cell > 128) << bit for bit, cell in enumerate(cells)))
    return numbers[0] if numbers[0] == numbers[1] else None


@functools.cache
def x264(
    count: int,
    options: str = "",
    *,
    tune: str = "zerolatency",
    keys: Sequence[int] = (0,),
    first: int = 0,
) -> tuple[AccessUnit, ...]:
    """`count` pictures in the order of coding, numbered from `first`; key frames at `keys`.

    `options` are x264's own: "slices=4:aud=1".
    """
    context = av.CodecContext.create("libx264", "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    context.bit_rate = 800_000
    context.time_base, context.framerate = Fraction(1, 15), Fraction(15)
    context.gop_size = 1000
    context.options = {
        "preset": "veryfast",
        "x264-params": ":".join(filter(None, ["scenecut=0", "threads=1", options])),
        **({"tune": tune} if tune else {}),
    }
    packets = []
    for number in range(first, first + count):
        frame = numbered_picture(number)
        frame.pts, frame.time_base = number, Fraction(1, 15)
        if number in keys:
            frame.pict_type = PictureType.I
        packets += context.encode(frame)
    packets += context.encode(None)
    return tuple(AccessUnit(packet.pts or 0, tuple(units(bytes(packet)))) for packet in packets)
