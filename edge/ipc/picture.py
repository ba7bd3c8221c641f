"""A picture in the form that video decoders produce: three planes of 8-bit YUV 4:2:0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import av

Plane = npt.NDArray[np.uint8]

_FULL_RANGE = 2  # AVCOL_RANGE_JPEG


def chroma_size(width: int, height: int) -> tuple[int, int]:
    """(width, height) of each chroma plane: half of the picture's, rounded up."""
    return (width + 1) // 2, (height + 1) // 2


def picture_bytes(width: int, height: int) -> int:
    """Bytes of the three planes, packed without padding."""
    chroma_width, chroma_height = chroma_size(width, height)
    return width * height + 2 * chroma_width * chroma_height


class Packable(Protocol):
    """A picture that can be packed into shared memory, where its planes take `nbytes`."""

    @property
    def width(self) -> int: ...

    @property
    def height(self) -> int: ...

    @property
    def full_range(self) -> bool: ...

    @property
    def nbytes(self) -> int: ...

    def write_into(self, buffer: memoryview) -> int:
        """Pack the planes at the start of `buffer`; returns `nbytes`."""


@dataclass(slots=True)
class Picture:
    """Planes `y` (height x width), `u` and `v` (halves, rounded up), BT.601.

    `full_range`: luma is 0..255 (JPEG), not 16..235 (video).
    """

    width: int
    height: int
    y: Plane
    u: Plane
    v: Plane
    full_range: bool = False

    @property
    def nbytes(self) -> int:
        return picture_bytes(self.width, self.height)

    @classmethod
    def from_av(cls, frame: av.VideoFrame) -> Picture:
        """Views of a decoded frame's planes; other pixel formats are converted first.

        The views keep their buffers alive; the frame itself is not needed any longer.
        """
        full_range = int(frame.color_range) == _FULL_RANGE
        if frame.format.name == "yuvj420p":
            full_range = True
        elif frame.format.name != "yuv420p":
            frame = frame.reformat(format="yuv420p")
        width, height = frame.width, frame.height
        chroma_width, chroma_height = chroma_size(width, height)
        sizes = ((width, height), (chroma_width, chroma_height), (chroma_width, chroma_height))
        planes = []
        for plane, (columns, rows) in zip(frame.planes, sizes, strict=True):
            lines = np.frombuffer(cast(Any, plane), dtype=np.uint8).reshape(-1, plane.line_size)
            planes.append(lines[:rows, :columns])
        y, u, v = planes
        return cls(width, height, y, u, v, full_range)

    @classmethod
    def from_rgb(cls, rgb: Plane) -> Picture:
        """The picture of an RGB array (height x width x 3), video range."""
        import cv2  # noqa: PLC0415 - a server's pictures come from decoders

        height, width = rgb.shape[:2]
        # OpenCV needs even sides: repeat the last row and column, then crop the luma.
        even = cv2.copyMakeBorder(rgb, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        packed = np.asarray(cv2.cvtColor(even, cv2.COLOR_RGB2YUV_I420), dtype=np.uint8).reshape(-1)
        even_height, even_width = even.shape[:2]
        chroma_width, chroma_height = chroma_size(width, height)
        luma = packed[: even_width * even_height].reshape(even_height, even_width)
        chroma = packed[even_width * even_height :].reshape(2, chroma_height, chroma_width)
        return cls(width, height, luma[:height, :width], chroma[0], chroma[1])

    def write_into(self, buffer: memoryview) -> int:
        """Pack the planes at the start of `buffer`; returns `nbytes`, ValueError if too small."""
        if len(buffer) < self.nbytes:
            raise ValueError(
                f"a {self.width}x{self.height} picture needs {self.nbytes} bytes, not {len(buffer)}"
            )
        for target, source in zip(
            _planes(buffer, self.width, self.height), (self.y, self.u, self.v), strict=True
        ):
            target[:] = source
        return self.nbytes

    @classmethod
    def from_buffer(
        cls, buffer: memoryview, width: int, height: int, full_range: bool = False
    ) -> Picture:
        """Views of planes that `write_into` packed at the start of `buffer`."""
        return cls(width, height, *_planes(buffer, width, height), full_range)


def _planes(buffer: memoryview, width: int, height: int) -> tuple[Plane, Plane, Plane]:
    """Views of packed planes at the start of `buffer`."""
    chroma_width, chroma_height = chroma_size(width, height)
    luma, chroma = width * height, chroma_width * chroma_height
    flat = np.frombuffer(buffer, dtype=np.uint8, count=luma + 2 * chroma)
    return (
        flat[:luma].reshape(height, width),
        flat[luma : luma + chroma].reshape(chroma_height, chroma_width),
        flat[luma + chroma :].reshape(chroma_height, chroma_width),
    )
