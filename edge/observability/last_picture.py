"""The latest picture that a session got an answer for, as the admin API serves it."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass

import av

LONG_SIDE = 640  # pixels: larger pictures are scaled down, so that one fits a message
QUALITY = 75  # of JPEG

NamedBox = tuple[str, float, float, float, float, float]
"""(class, score, x1, y1, x2, y2), corners as fractions of the picture."""


@dataclass(frozen=True, slots=True)
class LastPicture:
    """A picture as JPEG, and its boxes."""

    width: int
    height: int
    boxes: list[NamedBox]
    jpeg: bytes
    tracks: list[int | None] | None = None
    """Of each box; None where nothing is followed."""

    @classmethod
    def of(
        cls,
        image: av.VideoFrame,
        boxes: Sequence[NamedBox],
        tracks: list[int | None] | None = None,
    ) -> LastPicture:
        """Scale and encode a frame. Takes some milliseconds: not for the event loop."""
        import cv2  # noqa: PLC0415 - only a process whose pictures are looked at loads it

        scale = min(1.0, LONG_SIDE / max(image.width, image.height))
        width, height = (max(2, round(side * scale)) for side in (image.width, image.height))
        pixels = image.reformat(width, height, format="bgr24").to_ndarray()
        done, jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        assert done, "OpenCV encodes any picture"
        return cls(width, height, list(boxes), jpeg.tobytes(), tracks)

    def to_text(self) -> str:
        """The JSON that the API serves and that ingest processes send; the JPEG is in base64."""
        tracks = [[track] for track in self.tracks] if self.tracks else [[]] * len(self.boxes)
        return json.dumps(
            {
                "width": self.width,
                "height": self.height,
                "boxes": [[*box, *track] for box, track in zip(self.boxes, tracks, strict=True)],
                "jpeg": base64.b64encode(self.jpeg).decode(),
            }
        )
