"""From a picture's planes to the network's input: letterbox, resize, YUV to RGB, on the device.

Planes are resized before their colours are converted. Both are linear, so the order does not matter
but for the final clip, and each source pixel is read once.
"""

from __future__ import annotations

import torch
from torch import Tensor

from edge.models.letterbox import PADDING, Letterbox

_Size = tuple[int, int]


def yuv_to_rgb(y: Tensor, u: Tensor, v: Tensor, full_range: bool) -> Tensor:
    """Float planes (H, W) of 0..255 to RGB (3, H, W) of 0..1, by ITU-R BT.601."""
    luma_scale, chroma_scale, black = (
        (1.0, 1.0, 0.0) if full_range else (255 / 219, 255 / 224, 16.0)
    )
    luma = (y - black) * (luma_scale / 255)
    u = (u - 128.0) * (chroma_scale / 255)
    v = (v - 128.0) * (chroma_scale / 255)
    red = luma + 1.402 * v
    green = luma - 0.344136 * u - 0.714136 * v
    blue = luma + 1.772 * u
    return torch.stack((red, green, blue)).clamp_(0.0, 1.0)


def resize(plane: Tensor, source: tuple[float, float], size: _Size) -> Tensor:
    """A uint8 plane (H, W) to float of (width, height) `size`: bilinear, half-pixel centres.

    Nothing is low-pass filtered, as in Darknet's and OpenCV's resize. `source` is the (width,
    height) that the plane spans in its own pixels: half of an odd picture's side ends within the
    last chroma pixel.
    """
    width, height = size
    floats = plane.float()[None, None]
    if tuple(plane.shape) == (height, width) and tuple(source) == tuple(size):
        return floats[0, 0]
    out: Tensor = torch.ops.aten.upsample_bilinear2d(
        floats, [height, width], False, height / source[1], width / source[0]
    )
    return out[0, 0]


def paint(
    canvas: Tensor,
    planes: tuple[Tensor, Tensor, Tensor],
    full_range: bool,
    at: Letterbox,
) -> None:
    """Draw a picture into `canvas` (3, H, W), padding included.

    `planes` are Y, U and V as uint8, on the canvas's device; chroma halves, rounded up, centred
    among their four luma pixels.
    """
    height, width = planes[0].shape
    size = (at.width, at.height)
    y = resize(planes[0], (width, height), size)
    u, v = (resize(plane, (width / 2, height / 2), size) for plane in planes[1:])
    if at.width < canvas.shape[2] or at.height < canvas.shape[1]:
        canvas.fill_(PADDING)
    target = canvas[:, at.top : at.top + at.height, at.left : at.left + at.width]
    target.copy_(yuv_to_rgb(y, u, v, full_range))
