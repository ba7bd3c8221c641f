"""Videos for a browser's fake camera whose every frame tells which one it is."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.assets.samples import write_y4m
from edge.ipc.picture import Picture

Image = npt.NDArray[np.uint8]

BITS = 8  # of the frame's index, then as many again inverted, so that a mixed-up read shows
STRIP = 0.1  # of the picture's height, at the bottom
LIGHT, DARK = 235, 16

# How the page's own pixels are read: the same strip, from the canvas (mirrored or not).
READ_BARCODE = """
(canvas, mirrored) => {
  const context = canvas.getContext("2d");
  const row = context.getImageData(0, Math.round(canvas.height * 0.95), canvas.width, 1).data;
  const cells = [];
  for (let i = 0; i < 16; i += 1) {
    const at = (i + 0.5) / 16;
    cells.push(row[4 * Math.floor((mirrored ? 1 - at : at) * canvas.width)] > 127 ? 1 : 0);
  }
  let index = 0;
  for (let i = 0; i < 8; i += 1) {
    if (cells[i] === cells[i + 8]) return -1;
    index |= cells[i] << i;
  }
  return index;
}
"""


def barcode(picture: Image, index: int) -> None:
    """Write `index` into the bottom strip of a grey or colour picture."""
    height, width = picture.shape[:2]
    top = round(height * (1 - STRIP))
    for cell in range(2 * BITS):
        bit = (index >> (cell % BITS)) & 1 ^ (cell // BITS)
        left, right = (round(width * (cell + side) / (2 * BITS)) for side in (0, 1))
        picture[top:, left:right] = LIGHT if bit else DARK


def read_barcode(luma: Image) -> int:
    """The index in a picture's strip; -1 if it can't be told."""
    height, width = luma.shape
    row = luma[round(height * (1 - STRIP / 2))]
    cells = [row[int(width * (cell + 0.5) / (2 * BITS))] > 127 for cell in range(2 * BITS)]
    if any(cells[i] == cells[i + BITS] for i in range(BITS)):
        return -1
    return sum(1 << i for i in range(BITS) if cells[i])


@functools.cache
def numbered(*, width: int = 640, height: int = 360, fps: int = 15, count: int = 120) -> Path:
    """Frames of even grey with a slowly moving shade, numbered from 0; one file for all tests."""

    def frames() -> list[Picture]:
        made = []
        for index in range(count):
            picture = np.full((height, width, 3), 70 + 40 * (index % 16) // 16, np.uint8)
            picture[: height // 4, : width // 4] = (60, 110, 160)  # tells left from right
            barcode(picture, index)
            made.append(Picture.from_rgb(picture))
        return made

    folder = tempfile.mkdtemp(prefix="edge-camera-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = Path(folder) / "numbered.y4m"
    write_y4m(path, frames(), fps)
    return path


def panned(
    path: Path, photo: Image, *, width: int, height: int, fps: int, offsets: Sequence[int]
) -> Path:
    """A window over a photograph (RGB, as high as the window less its strip), one offset a frame.

    Frame `index` shows the photograph from column `offsets[index]` on; columns beyond it are grey.
    """

    def frames() -> list[Picture]:
        made = []
        for index, offset in enumerate(offsets):
            picture = np.full((height, width, 3), 114, np.uint8)
            visible = photo[:, max(0, offset) : max(0, offset + width)]
            left = max(0, -offset)
            visible = visible[:, : width - left]
            picture[: visible.shape[0], left : left + visible.shape[1]] = visible
            barcode(picture, index)
            made.append(Picture.from_rgb(picture))
        return made

    write_y4m(path, frames(), fps)
    return path
