"""The picture that a session was last answered on, for its operator: where that is switched on."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass

import av
import cv2

LONG_SIDE = 640  # pixels that it is scaled down to, so that it fits a message
QUALITY = 75  # of JPEG

Named = tuple[str, float, float, float, float, float]
"""(class, score, x1, y1, x2, y2), corners as fractions of the picture."""


@dataclass(frozen=True, slots=True)
class LastPicture:
    """A picture as JPEG, and its boxes."""

    width: int
    height: int
    boxes: list[Named]
    jpeg: bytes

    @classmethod
    def of(cls, image: av.VideoFrame, boxes: Sequence[Named]) -> LastPicture:
        """Takes some milliseconds: not for the event loop."""
        scale = min(1.0, LONG_SIDE / max(image.width, image.height))
        width, height = (max(2, round(side * scale)) for side in (image.width, image.height))
        pixels = image.reformat(width, height, format="bgr24").to_ndarray()
        done, jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        assert done, "OpenCV encodes any picture"
        return cls(width, height, list(boxes), jpeg.tobytes())

    def to_text(self) -> str:
        """As JSON, which is what the API tells and what crosses from another process."""
        return json.dumps(
            {
                "width": self.width,
                "height": self.height,
                "boxes": [list(box) for box in self.boxes],
                "jpeg": base64.b64encode(self.jpeg).decode(),
            }
        )
