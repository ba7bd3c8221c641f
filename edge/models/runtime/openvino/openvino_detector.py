"""A network that OpenVINO runs on the CPU."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.ipc.picture import Picture
from edge.models.boxes import Box
from edge.models.heads import Head
from edge.models.postprocess import postprocess
from edge.models.runtime.detector import (
    NMS_IOU,
    SCORE_THRESHOLD,
    Candidates,
    Images,
    batch_places,
    blank_picture,
)
from edge.models.runtime.map_decoding import decode_maps
from edge.models.runtime.openvino.openvino_network import CompiledNetwork
from edge.models.runtime.picture_input import paint
from edge.profile.variant import NumberFormat, Variant


class OpenVinoDetector:
    """A Detector; `network` has an output of raw maps for each of `heads`."""

    runtime = "openvino"

    def __init__(self, network_name: str, network: CompiledNetwork, heads: Sequence[Head]) -> None:
        self.network_name = network_name
        self._network = network
        self._heads = tuple(heads)
        self._images = np.empty((0, 3, 0, 0), dtype=np.float32)  # the last batch's; used again

    @property
    def precision(self) -> NumberFormat:
        return self._network.precision

    def detect(
        self,
        pictures: Sequence[Picture],
        variant: Variant,
        *,
        score_threshold: float = SCORE_THRESHOLD,
        nms_iou: float = NMS_IOU,
    ) -> list[list[Box]]:
        if not pictures:
            return []
        (width, height), places = batch_places(self.network_name, pictures, variant)
        shape = (len(pictures), 3, height, width)
        if self._images.shape != shape:
            self._images = np.empty(shape, dtype=np.float32)
        for image, picture, at in zip(self._images, pictures, places, strict=True):
            paint(image, picture, at)
        return [
            postprocess(rows, at, score_threshold=score_threshold, nms_iou=nms_iou)
            for rows, at in zip(self.candidates(self._images, score_threshold), places, strict=True)
        ]

    def candidates(self, images: Images, least_score: float = 0.0) -> list[Candidates]:
        return decode_maps(self._network(images), self._heads, least_score)

    def warm_up(self, variant: Variant, size: tuple[int, int], batch: int) -> None:
        """Run once, which makes the kernels for that shape."""
        self.detect([blank_picture(*size)] * batch, variant)
