"""The fleet that is shown, and its screenshots' compression."""

from __future__ import annotations

import cv2
import numpy as np

from netem.fleet_demo import FLEET, compressed_png
from netem.units import rate_bps


def test_eight_cameras_of_different_names_on_links_that_can_be_made() -> None:
    assert len({camera.label for camera in FLEET}) == len(FLEET) == 8
    assert all(rate_bps(camera.rate) >= 500_000 for camera in FLEET)
    assert sum(camera.loss > 0.01 for camera in FLEET) == 1  # one that is noticed at once


def test_a_compressed_screenshot_has_the_same_pixels_in_fewer_bytes() -> None:
    image = np.zeros((200, 300, 3), np.uint8)
    image[50:100, 50:200] = (200, 30, 90)
    png = bytes(cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 0])[1])
    small = compressed_png(png)
    assert len(small) < len(png) / 10
    np.testing.assert_array_equal(cv2.imdecode(np.frombuffer(small, np.uint8), 1), image)
