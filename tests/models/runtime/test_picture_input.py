"""Without PyTorch a picture reaches the network as with it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from edge.ipc.picture import Picture
from edge.models import preprocess
from edge.models.letterbox import letterbox
from edge.models.runtime.picture_input import paint
from edge.profile.variant import Variant


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("long_side", [128, 416, 608])
@pytest.mark.parametrize(
    "size", [(640, 272), (416, 234), (810, 1080), (641, 273), (16, 16), (1, 1), (33, 999), (2, 1)]
)
def test_it_is_painted_as_with_pytorch(
    size: tuple[int, int], long_side: int, full_range: bool
) -> None:
    width, height = size
    rng = np.random.default_rng(5)
    chroma = ((height + 1) // 2, (width + 1) // 2)
    luma, blue, red = (
        rng.integers(0, 256, shape, dtype=np.uint8) for shape in ((height, width), chroma, chroma)
    )
    picture = Picture(width, height, luma, blue, red, full_range)
    variant = Variant("yolov4-tiny", long_side)
    at = letterbox(variant, width, height)
    columns, rows = variant.input_size(width, height)
    expected = torch.full((3, rows, columns), torch.nan)
    y, u, v = (torch.from_numpy(plane) for plane in (luma, blue, red))
    preprocess.paint(expected, (y, u, v), full_range, at)
    found = np.full((3, rows, columns), np.nan, dtype=np.float32)
    paint(found, picture, at)
    # Half of a level.
    np.testing.assert_allclose(found, expected.numpy(), atol=2e-3)
