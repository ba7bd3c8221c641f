"""Pictures in, boxes out: a detector in ONNX, run by OpenVINO on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.ipc.picture import Picture
from edge.models.boxes import Box
from edge.models.letterbox import Letterbox, letterbox
from edge.models.postprocess import postprocess
from edge.models.registry.model import Model
from edge.models.registry.onnx_file import read_onnx
from edge.models.registry.onnx_layouts import candidates
from edge.models.runtime.detector import (
    NMS_IOU,
    SCORE_THRESHOLD,
    Candidates,
    Images,
    batch_places,
    blank_picture,
)
from edge.models.runtime.openvino.openvino_network import compile_network
from edge.models.runtime.picture_input import paint
from edge.profile.variant import NumberFormat, Precision, Variant

_PADDING = 114 / 255  # as these networks' trainings pad
_NO_SUPPRESSION = 1.0


class OnnxDetector:
    """A model's graph as a Detector.

    Pictures are RGB of 0..1; those of YOLO layouts keep their shape, padded with grey, those of
    RT-DETR fill the input. A graph with a fixed input takes every picture in it. It computes in
    float32 unless `precision` names another format: boxes that the graph itself decodes would be
    pixels off in bfloat16. ModelError for a file that can't be run.
    """

    runtime = "openvino"

    def __init__(
        self, model: Model, precision: Precision = "auto", threads: int | None = None
    ) -> None:
        assert model.onnx is not None
        self.network_name = model.name
        self._classes = len(model.class_names)
        self._file = read_onnx(model.onnx, model.layout)
        wanted: NumberFormat = "float32" if precision == "auto" else precision
        self._network = compile_network(self._file.graph, wanted, threads)

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
        width, height = self._file.fixed_size or size
        places = [self._place(variant, picture, (width, height)) for picture in pictures]
        images = np.empty((len(pictures), 3, height, width), dtype=np.float32)
        for image, picture, at in zip(images, pictures, places, strict=True):
            paint(image, picture, at, _PADDING)
        if not self._file.head.layout.needs_suppression:
            nms_iou = _NO_SUPPRESSION
        return [
            postprocess(rows, at, score_threshold=score_threshold, nms_iou=nms_iou)
            for rows, at in zip(self.candidates(images), places, strict=True)
        ]

    def candidates(self, images: Images, least_score: float = 0.0) -> list[Candidates]:
        """Each image's candidates; of a graph that suppresses, those that it leaves."""
        if self._file.is_batch_fixed and len(images) > 1:
            return [rows for image in images for rows in self.candidates(image[None], least_score)]
        count, _, height, width = images.shape
        outputs = self._run(images)
        found = []
        for number in range(count):
            rows = candidates(self._file.head, outputs, number, (width, height))
            known = (rows[:, 1] >= 0) & (rows[:, 1] < self._classes)  # graphs pad with others
            found.append(rows[known & (rows[:, 0] >= least_score)])
        return found

    def warm_up(self, variant: Variant, size: tuple[int, int], batch: int) -> None:
        """Run once, which makes the kernels for that shape."""
        self.detect([blank_picture(*size)] * batch, variant)

    def _run(self, images: Images) -> list[npt.NDArray[Any]]:
        count, _, height, width = images.shape
        sizes = np.array([[width, height]] * count, dtype=np.int64)
        inputs = [sizes if name == self._file.sizes_input else images for name in self._file.inputs]
        return self._network(*inputs)

    def _place(self, variant: Variant, picture: Picture, size: tuple[int, int]) -> Letterbox:
        width, height = size
        if not self._file.head.layout.is_letterboxed:
            return Letterbox(0, 0, width, height)
        if self._file.fixed_size is None:
            return letterbox(variant, picture.width, picture.height)
        scale = min(width / picture.width, height / picture.height)
        fitted = (
            max(1, round(scale * picture.width)),
            max(1, round(scale * picture.height)),
        )
        return Letterbox((width - fitted[0]) // 2, (height - fitted[1]) // 2, *fitted)
