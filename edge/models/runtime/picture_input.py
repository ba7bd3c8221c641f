"""From a picture's planes to a network's input on a CPU, without PyTorch.

The same steps as `edge.models.preprocess`: planes are resized, then their colours are converted.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from edge.ipc.picture import Picture, Plane
from edge.models.letterbox import PADDING, Letterbox

_Floats = npt.NDArray[np.float32]


def paint(canvas: _Floats, picture: Picture, at: Letterbox, padding: float = PADDING) -> None:
    """Draw a picture into `canvas` (3, H, W), RGB of 0..1, padding included; ITU-R BT.601."""
    size = (at.width, at.height)
    y = resize(picture.y, (picture.width, picture.height), size)
    u, v = (
        resize(plane, (picture.width / 2, picture.height / 2), size)
        for plane in (picture.u, picture.v)
    )
    luma, chroma, black = (
        (1 / 255, 1 / 255, 0.0) if picture.full_range else (1 / 219, 1 / 224, 16.0)
    )
    offset = -black * luma
    red = cv2.addWeighted(y, luma, v, 1.402 * chroma, offset - 128 * 1.402 * chroma)
    blue = cv2.addWeighted(y, luma, u, 1.772 * chroma, offset - 128 * 1.772 * chroma)
    green = cv2.addWeighted(
        y, luma, u, -0.344136 * chroma, offset + 128 * (0.344136 + 0.714136) * chroma
    )
    green = cv2.scaleAdd(v, -0.714136 * chroma, green)
    if at.width < canvas.shape[2] or at.height < canvas.shape[1]:
        canvas.fill(padding)
    target = canvas[:, at.top : at.top + at.height, at.left : at.left + at.width]
    for plane, values in zip(target, (red, green, blue), strict=True):
        np.clip(values, 0.0, 1.0, out=plane)


def resize(plane: Plane, source: tuple[float, float], size: tuple[int, int]) -> _Floats:
    """A plane as `edge.models.preprocess.resize` makes it: bilinear, half-pixel centres."""
    floats = plane.astype(np.float32)
    rows, columns = plane.shape
    whole = columns == source[0] and rows == source[1]
    if whole and size == (columns, rows):
        return floats
    width, height = size
    if whole:
        resized = cv2.resize(floats, size, interpolation=cv2.INTER_LINEAR)
        return np.asarray(resized, dtype=np.float32).reshape(height, width)
    # The last chroma sample of an odd picture covers one luma pixel, not two, which OpenCV's resize
    # has no way to say.
    upper, lower, down = _between(source[1], height, rows)
    left, right, across = _between(source[0], width, columns)
    tall = floats[upper] + (floats[lower] - floats[upper]) * down[:, None]
    result: _Floats = tall[:, left] + (tall[:, right] - tall[:, left]) * across
    return result


def _between(
    source: float, length: int, samples: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], _Floats]:
    """For each of `length` pixels that span `source`: the samples around it, and where between."""
    places = (np.arange(length) + 0.5) * (source / length) - 0.5
    places = places.clip(0.0, samples - 1.0)
    before = places.astype(np.intp)
    after = np.minimum(before + 1, samples - 1)
    return before, after, (places - before).astype(np.float32)
