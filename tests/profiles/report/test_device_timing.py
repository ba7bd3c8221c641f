"""The parts of a batch: on a CPU the same code runs, without graphs."""

from __future__ import annotations

import pytest
import torch

from edge.models.runtime.detector import blank_picture
from edge.models.runtime.torch.torch_detector import TorchDetector
from edge.models.yolov4 import build
from edge.profile.variant import Variant
from profiles.report.device_timing import graph_timing, input_timing

VARIANT = Variant("yolov4-tiny", 128)
PICTURES = [blank_picture(128, 72)] * 2


def _detector(device: str) -> TorchDetector:
    return TorchDetector("yolov4-tiny", build("yolov4-tiny"), device=device)


def test_without_a_graph_both_passes_are_launched() -> None:
    timing = graph_timing(_detector("cpu"), VARIANT, PICTURES)
    assert (timing.variant, timing.batch) == ("yolov4-tiny-128", 2)
    assert min(timing.record_ms, timing.launched_ms, timing.replayed_ms) > 0.0


@pytest.mark.parametrize("by", ["torch", "openvino"])
def test_a_cpu_copies_nothing(by: str) -> None:
    detector = _detector("cpu") if by == "torch" else None
    timing = input_timing(detector, VARIANT, PICTURES)
    assert timing.copied_bytes == 0
    assert timing.ms > 0.0


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_gets_the_pictures_and_replays() -> None:
    detector = _detector("cuda:0")
    assert graph_timing(detector, VARIANT, PICTURES).record_ms > 0.0
    assert detector._graphs
    assert input_timing(detector, VARIANT, PICTURES).copied_bytes == 2 * 128 * 72 * 3 // 2
