"""Pictures in, boxes out: a network that decodes its own boxes, whichever library runs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edge.ipc.picture import Picture
from edge.models.boxes import Box
from edge.models.letterbox import Letterbox, letterbox
from edge.models.postprocess import postprocess
from edge.models.registry.model import Model
from edge.models.registry.network_input import NetworkInput
from edge.models.registry.output_layouts import Head, candidates
from edge.models.runtime.detector import (
    NMS_IOU,
    SCORE_THRESHOLD,
    Candidates,
    Images,
    batch_places,
    blank_picture,
)
from edge.models.runtime.picture_input import paint
from edge.profile.variant import NumberFormat, Variant

_PADDING = 114 / 255  # as these networks' trainings pad
_NO_SUPPRESSION = 1.0


class Network(Protocol):
    """A loaded network: images, and where `NetworkInput.sizes` names an input (N, 2) sizes, in."""

    @property
    def precision(self) -> NumberFormat: ...

    def __call__(self, *inputs: npt.NDArray[Any]) -> Sequence[Any]:
        """Its outputs; each is indexed by picture, unless the layout is of all pictures."""


class DecodedDetector:
    """A Detector.

    Pictures are RGB of 0..1; those of RT-DETR's layouts fill the input, the others keep their
    shape, padded with grey. A network with a fixed input takes every picture in it.
    """

    def __init__(
        self, model: Model, network: Network, head: Head, takes: NetworkInput, *, runtime: str
    ) -> None:
        self.network_name = model.name
        self.runtime = runtime
        self._classes = len(model.class_names)
        self._network = network
        self._head = head
        self._takes = takes

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
        """`nms_iou` counts for layouts whose boxes are not suppressed yet."""
        if not pictures:
            return []
        size, _ = batch_places(self.network_name, pictures, variant)
        width, height = self._takes.fixed_size or size
        places = [self._place(variant, picture, (width, height)) for picture in pictures]
        images = np.empty((len(pictures), 3, height, width), dtype=np.float32)
        for image, picture, at in zip(images, pictures, places, strict=True):
            paint(image, picture, at, _PADDING)
        if not self._head.layout.needs_suppression:
            nms_iou = _NO_SUPPRESSION
        return [
            postprocess(rows, at, score_threshold=score_threshold, nms_iou=nms_iou)
            for rows, at in zip(self.candidates(images), places, strict=True)
        ]

    def candidates(self, images: Images, least_score: float = 0.0) -> list[Candidates]:
        """Each image's candidates; of a network that suppresses, those that it leaves."""
        if self._takes.is_batch_fixed and len(images) > 1:
            return [rows for image in images for rows in self.candidates(image[None], least_score)]
        count, _, height, width = images.shape
        outputs = self._run(images)
        found = []
        for number in range(count):
            rows = candidates(self._head, outputs, number, (width, height))
            known = (rows[:, 1] >= 0) & (rows[:, 1] < self._classes)  # some pad with others
            found.append(rows[known & (rows[:, 0] >= least_score)])
        return found

    def warm_up(self, variant: Variant, size: tuple[int, int], batch: int) -> None:
        """Run once, which makes the kernels for that shape."""
        self.detect([blank_picture(*size)] * batch, variant)

    def _run(self, images: Images) -> Sequence[Any]:
        count, _, height, width = images.shape
        sizes = np.array([[width, height]] * count, dtype=np.int64)
        takes = self._takes
        inputs = [sizes if name == takes.sizes else images for name in takes.names]
        return self._network(*inputs)

    def _place(self, variant: Variant, picture: Picture, size: tuple[int, int]) -> Letterbox:
        width, height = size
        if not self._head.layout.is_letterboxed:
            return Letterbox(0, 0, width, height)
        if self._takes.fixed_size is None:
            return letterbox(variant, picture.width, picture.height)
        scale = min(width / picture.width, height / picture.height)
        fitted = (
            max(1, round(scale * picture.width)),
            max(1, round(scale * picture.height)),
        )
        return Letterbox((width - fitted[0]) // 2, (height - fitted[1]) // 2, *fitted)
