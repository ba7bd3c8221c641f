"""The interface of all runtimes: pictures in, boxes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edge.ipc.picture import Picture
from edge.models.boxes import Box
from edge.models.letterbox import Letterbox, letterbox
from edge.profile.variant import NumberFormat, Variant

SCORE_THRESHOLD = 0.25
NMS_IOU = 0.45

Images = npt.NDArray[np.float32]
"""(N, 3, H, W), RGB, 0..1, sides multiples of 32."""

Candidates = npt.NDArray[np.float32]
"""A picture's (K, 6), best first: score, class index, x1, y1, x2, y2 in input pixels."""


class Detector(Protocol):
    """A loaded network on a device; not to be used by several threads at once."""

    @property
    def network_name(self) -> str: ...

    @property
    def precision(self) -> NumberFormat:
        """The number format that it computes in."""

    @property
    def runtime(self) -> str:
        """The library that runs it: "openvino" or "torch"."""

    def detect(
        self,
        pictures: Sequence[Picture],
        variant: Variant,
        *,
        score_threshold: float = SCORE_THRESHOLD,
        nms_iou: float = NMS_IOU,
    ) -> list[list[Box]]:
        """Each picture's boxes, best first; the pictures must share `variant.input_size`.

        Raises ValueError for another network's variant or pictures of different input sizes.
        """

    def candidates(self, images: Images, least_score: float = 0.0) -> list[Candidates]:
        """Each image's candidates before suppression; weaker ones may be left out."""

    def warm_up(self, variant: Variant, size: tuple[int, int], batch: int) -> None:
        """Run once for pictures of (width, height) `size`, `batch` at a time."""


def batch_places(
    network_name: str, pictures: Sequence[Picture], variant: Variant
) -> tuple[tuple[int, int], list[Letterbox]]:
    """The (width, height) of a batch's input, and each picture's place in it.

    Raises as `Detector.detect` does; there is at least one picture.
    """
    if variant.network != network_name:
        raise ValueError(f"{variant.name} is no variant of {network_name}")
    sizes = {variant.input_size(picture.width, picture.height) for picture in pictures}
    if len(sizes) > 1:
        raise ValueError(f"one batch needs one input size, not {sorted(sizes)}")
    (size,) = sizes
    return size, [letterbox(variant, picture.width, picture.height) for picture in pictures]


def blank_picture(width: int, height: int) -> Picture:
    """A picture to warm up with."""
    chroma = np.zeros(((height + 1) // 2, (width + 1) // 2), dtype=np.uint8)
    return Picture(width, height, np.zeros((height, width), dtype=np.uint8), chroma, chroma)
