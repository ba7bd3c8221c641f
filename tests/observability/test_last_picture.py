"""The picture that an operator is shown."""

from __future__ import annotations

import base64
import json

import cv2
import numpy as np
import pytest

from edge.observability.last_picture import LONG_SIDE, LastPicture, NamedBox
from tests.serving import noise

BOXES: list[NamedBox] = [("car", 0.9, 0.1, 0.2, 0.3, 0.4)]


@pytest.mark.parametrize(
    ("width", "height", "shown"),
    [(320, 192, (320, 192)), (1280, 720, (LONG_SIDE, 360)), (720, 1280, (360, LONG_SIDE))],
)
def test_a_large_picture_is_scaled_down_and_a_small_one_is_not(
    width: int, height: int, shown: tuple[int, int]
) -> None:
    [frame] = noise(width, height, count=1)
    picture = LastPicture.of(frame, BOXES)
    assert (picture.width, picture.height) == shown
    decoded = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert decoded.shape == (shown[1], shown[0], 3)


def test_its_json_has_the_jpeg_and_the_boxes() -> None:
    [frame] = noise(64, 48, count=1)
    picture = LastPicture.of(frame, BOXES)
    sent = json.loads(picture.to_text())
    assert sent["boxes"] == [["car", 0.9, 0.1, 0.2, 0.3, 0.4]]
    assert (sent["width"], sent["height"]) == (64, 48)
    assert base64.b64decode(sent["jpeg"]) == picture.jpeg


def test_boxes_have_their_tracks_where_things_are_followed() -> None:
    [frame] = noise(64, 48, count=1)
    sent = json.loads(LastPicture.of(frame, BOXES, [7]).to_text())
    assert sent["boxes"] == [["car", 0.9, 0.1, 0.2, 0.3, 0.4, 7]]
