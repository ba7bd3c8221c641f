"""A picture reaches the network as OpenCV would have resized and converted it."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edge.ipc.picture import Picture
from edge.models.letterbox import PADDING, letterbox
from edge.models.preprocess import paint, resize, yuv_to_rgb
from edge.profile.variant import LONG_SIDES, Variant

SIZES = [(640, 272), (1280, 720), (641, 273), (16, 16), (810, 1080), (1, 1), (3, 999)]


def _planes(picture: Picture) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    y, u, v = (torch.from_numpy(plane.copy()) for plane in (picture.y, picture.u, picture.v))
    return y, u, v


@pytest.mark.parametrize("size", [(416, 236), (128, 128), (13, 700), (1, 1)])
@pytest.mark.parametrize("source", [(640, 360), (417, 237), (16, 16), (1, 1)])
def test_resize_is_opencvs(source: tuple[int, int], size: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    plane = rng.integers(0, 256, (source[1], source[0]), dtype=np.uint8)
    expected = cv2.resize(plane.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    found = resize(torch.from_numpy(plane), source, size).numpy()
    np.testing.assert_allclose(found, np.asarray(expected).reshape(found.shape), atol=0.02)


def test_video_range_colours_are_opencvs() -> None:
    luma_levels = np.arange(16, 240, 4, dtype=np.uint8)  # OpenCV takes blacker than black as black
    levels = np.arange(0, 256, 5, dtype=np.uint8)
    mesh = np.meshgrid(luma_levels, levels, levels, indexing="ij")
    y, u, v = (grid.reshape(-1) for grid in mesh)
    # Each colour as a 2x2 block, so that all of its luma shares one chroma sample.
    luma = np.repeat(y, 2)[None].repeat(2, axis=0)
    packed = np.concatenate([luma.reshape(-1), u, v]).reshape(3, -1)
    expected = np.asarray(cv2.cvtColor(packed, cv2.COLOR_YUV2RGB_I420))[0, ::2]
    planes = [torch.from_numpy(each.astype(np.float32))[None] for each in (y, u, v)]
    found = yuv_to_rgb(planes[0], planes[1], planes[2], full_range=False)[:, 0].numpy().T * 255
    assert np.abs(found - expected).max() <= 1.5  # OpenCV rounds twice


def test_full_range_colours_are_jpegs() -> None:
    rgb = np.random.default_rng(2).integers(0, 256, (1, 4096, 3), dtype=np.uint8)
    ycrcb = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb), dtype=np.float32)
    y, v, u = (torch.from_numpy(ycrcb[..., channel]) for channel in range(3))
    found = yuv_to_rgb(y, u, v, full_range=True).permute(1, 2, 0).numpy() * 255
    assert np.abs(found - rgb).max() <= 2


@pytest.mark.parametrize(("width", "height"), [(640, 272), (810, 1080), (641, 273)])
def test_a_painted_picture_is_what_opencv_makes_of_it(width: int, height: int) -> None:
    variant = Variant("yolov4-tiny", 416)
    noise = np.random.default_rng(4).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    resized = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    rgb = np.asarray(resized, dtype=np.uint8)
    picture = Picture.from_rgb(rgb)
    at = letterbox(variant, width, height)
    input_width, input_height = variant.input_size(width, height)
    canvas = torch.zeros(3, input_height, input_width)
    paint(canvas, _planes(picture), picture.full_range, at)
    expected = np.asarray(cv2.resize(rgb, (at.width, at.height)), dtype=np.float32)
    inside = canvas[:, at.top : at.top + at.height, at.left : at.left + at.width]
    found = inside.permute(1, 2, 0).numpy() * 255
    # Chroma is halved on the way and interpolated back, so single pixels may differ.
    assert np.abs(found - expected).mean() < 1.5
    assert np.quantile(np.abs(found - expected), 0.99) < 8
    inside.fill_(PADDING)
    assert (canvas == PADDING).all()  # and all the rest is grey


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("long_side", [128, 416, 608])
def test_flat_colours_stay_flat(width: int, height: int, long_side: int) -> None:
    variant = Variant("yolov4-tiny", long_side)
    picture = Picture.from_rgb(np.full((height, width, 3), (200, 60, 90), dtype=np.uint8))
    at = letterbox(variant, width, height)
    input_width, input_height = variant.input_size(width, height)
    canvas = torch.full((3, input_height, input_width), torch.nan)
    paint(canvas, _planes(picture), picture.full_range, at)
    inside = canvas[:, at.top : at.top + at.height, at.left : at.left + at.width]
    assert inside.shape[1:] == (at.height, at.width)
    expected = torch.tensor((200, 60, 90)).view(3, 1, 1) / 255
    assert ((inside - expected).abs() < 3 / 255).all()
    assert canvas.isfinite().all()


def test_odd_chroma_is_centred_on_its_luma() -> None:
    """An odd picture's last chroma sample covers one luma column, not two: nothing drifts."""
    width = 641
    rows = torch.arange((width + 1) // 2, dtype=torch.uint8)[None] // 2
    chroma = resize(rows, (width / 2, 1), (width, 1))[0]
    luma_positions = (torch.arange(width) + 0.5) / 2 - 0.5
    exact = np.interp(luma_positions.numpy(), np.arange(rows.shape[1]), rows[0].numpy())
    np.testing.assert_allclose(chroma.numpy(), exact, atol=1e-3)


@given(st.integers(1, 8000), st.integers(1, 8000), st.sampled_from(LONG_SIDES))
def test_a_letterbox_is_centred_and_inside(width: int, height: int, long_side: int) -> None:
    variant = Variant("yolov4", long_side)
    at = letterbox(variant, width, height)
    input_width, input_height = variant.input_size(width, height)
    for start, length, whole in (
        (at.left, at.width, input_width),
        (at.top, at.height, input_height),
    ):
        assert length >= 1
        assert start >= 0
        assert 0 <= whole - start - length - start <= 1  # the odd pixel lies right or below
