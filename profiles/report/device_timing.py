"""How long the parts of a batch take on a device, in this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median

import numpy as np
import torch

from edge.ipc.picture import Picture
from edge.models.letterbox import letterbox
from edge.models.runtime.picture_input import paint
from edge.models.runtime.torch.torch_detector import TorchDetector
from edge.profile.variant import Variant
from profiles.report.device_report import GraphTiming, InputTiming

_RUNS = 20


def graph_timing(
    detector: TorchDetector, variant: Variant, pictures: Sequence[Picture]
) -> GraphTiming:
    """The forward pass of a batch of `pictures`, with and without a graph.

    Where the device records none, `record_ms` is that of a first run, and both passes are launched.
    """
    size = (pictures[0].width, pictures[0].height)
    record_ms = _timed_ms(lambda: detector.warm_up(variant, size, len(pictures)))
    images, _ = detector.load(pictures, variant)
    return GraphTiming(
        variant.name,
        len(pictures),
        record_ms,
        _median_ms(lambda: detector.forward(images, replay=False)),
        _median_ms(lambda: detector.forward(images)),
    )


def input_timing(
    detector: TorchDetector | None, variant: Variant, pictures: Sequence[Picture]
) -> InputTiming:
    """The network's input made of `pictures`: on the detector's device, or without one on the CPU
    as for OpenVINO."""
    if detector is not None:
        copied = sum(picture.nbytes for picture in pictures)
        on_device = detector.device.type != "cpu"
        ms = _median_ms(lambda: detector.load(pictures, variant))
        return InputTiming(variant.name, len(pictures), copied if on_device else 0, ms)
    first = pictures[0]
    place = letterbox(variant, first.width, first.height)
    width, height = variant.input_size(first.width, first.height)
    canvas = np.empty((len(pictures), 3, height, width), dtype=np.float32)

    def draw() -> None:
        for image, picture in zip(canvas, pictures, strict=True):
            paint(image, picture, place)

    return InputTiming(variant.name, len(pictures), 0, _median_ms(draw))


def _median_ms(run: Callable[[], object]) -> float:
    run()
    return median(_timed_ms(run) for _ in range(_RUNS))


def _timed_ms(run: Callable[[], object]) -> float:
    """Until the device has done it."""
    started_s = time.perf_counter()
    run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return 1000.0 * (time.perf_counter() - started_s)
