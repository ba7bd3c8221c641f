"""Planes in, the same planes out, whatever the size."""

import av
import cv2
import numpy as np
import pytest

from edge.ipc.picture import Picture, picture_bytes

SIZES = [(16, 16), (17, 33), (641, 273), (1, 1), (3840, 2160)]


def _random(width: int, height: int) -> Picture:
    rng = np.random.default_rng(width * height)
    chroma = ((height + 1) // 2, (width + 1) // 2)
    return Picture(
        width,
        height,
        rng.integers(0, 256, (height, width), dtype=np.uint8),
        rng.integers(0, 256, chroma, dtype=np.uint8),
        rng.integers(0, 256, chroma, dtype=np.uint8),
    )


def _same(one: Picture, other: Picture) -> bool:
    return all(
        np.array_equal(a, b) for a, b in ((one.y, other.y), (one.u, other.u), (one.v, other.v))
    )


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_buffer_carries_the_planes_exactly(width: int, height: int) -> None:
    picture = _random(width, height)
    buffer = bytearray(picture.nbytes + 3)
    assert picture.write_into(memoryview(buffer)) == picture_bytes(width, height)
    assert _same(picture, Picture.from_buffer(memoryview(buffer), width, height))


def test_a_buffer_too_small_is_refused() -> None:
    picture = _random(16, 16)
    with pytest.raises(ValueError, match="16x16 picture needs 384 bytes"):
        picture.write_into(memoryview(bytearray(383)))


@pytest.mark.parametrize(("width", "height"), [(640, 272), (641, 273), (16, 16)])
def test_a_decoded_frame_gives_its_planes_without_the_padding(width: int, height: int) -> None:
    frame = av.VideoFrame(width, height, "yuv420p")
    for plane, value in zip(frame.planes, (10, 20, 30), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    picture = Picture.from_av(frame)
    assert picture.y.shape == (height, width)
    assert picture.u.shape == ((height + 1) // 2, (width + 1) // 2)
    assert {int(picture.y.min()), int(picture.u.max()), int(picture.v.min())} == {10, 20, 30}
    del frame
    assert picture.y[-1, -1] == 10


def test_other_pixel_formats_are_converted() -> None:
    gray = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 128, dtype=np.uint8), format="rgb24")
    picture = Picture.from_av(gray)
    assert abs(int(picture.y[0, 0]) - 126) <= 1
    assert abs(int(picture.u[0, 0]) - 128) <= 1


def test_rgb_there_and_back() -> None:
    rgb = cv2.resize(
        np.random.default_rng(1).integers(0, 256, (5, 7, 3), dtype=np.uint8), (71, 53)
    ).astype(np.uint8)
    picture = Picture.from_rgb(rgb)
    assert (picture.width, picture.height) == (71, 53)
    assert picture.u.shape == (27, 36)
