"""The comparisons of `bench detector`: boxes, accuracy and speed."""

from __future__ import annotations

import argparse
import copy
import platform
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from rich.table import Table

from analysis.bench.detector.precision import compare_accuracy
from analysis.bench.detector.progress import progress
from analysis.bench.detector.speed import compare_speed, reference
from analysis.bench.report import BenchmarkReport, Promise
from edge.assets import samples
from edge.models.boxes import Box, match
from edge.models.letterbox import Letterbox
from edge.models.postprocess import postprocess
from edge.models.runtime.detector import Detector
from edge.models.runtime.number_format import has_bfloat16
from edge.models.runtime.opening import open_detector
from edge.models.runtime.torch.torch_detector import TorchDetector
from edge.models.weights import class_names, load_network
from edge.models.yolov4 import Network

MIN_IOU, MAX_SCORE_ERROR = 0.95, 0.02  # of each box, against OpenCV's

_NETWORK = "yolov4-tiny"


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 when no promise was broken, 1 otherwise."""
    if options.threads:
        torch.set_num_threads(options.threads)
        cv2.setNumThreads(options.threads)
    report = BenchmarkReport(options.json, {"torch": torch.__version__, "opencv": cv2.__version__})
    threads = torch.get_num_threads()
    network = load_network(_NETWORK)
    open_here = partial(open_detector, _NETWORK, device=options.device, threads=threads)
    served = open_here(report=progress)
    exact = open_here(precision="float32")
    boxes, same_boxes = _compare_boxes(exact)
    report.console.print(boxes)
    reduced: Detector = served
    precision: str = served.precision
    if precision == "float32":  # judged all the same, since other machines serve in it
        reduced = TorchDetector(_NETWORK, _rounded_to_bfloat16(network), precision="float32")
        precision = "emulated bfloat16"
    accuracy, same_accuracy = compare_accuracy(
        exact, reduced, precision, options.video, quick=options.quick
    )
    report.console.print(accuracy)
    fast: list[Promise] = []
    rows: list[dict[str, Any]] = []
    if not options.no_speed:
        speed, fast, rows = compare_speed(
            _NETWORK, network, served, device=options.device, threads=threads, quick=options.quick
        )
        report.console.print(speed)
    return report.finish(
        [same_boxes, same_accuracy, *fast],
        device=options.device,
        cpu=_cpu_name(),
        threads=threads,
        runtime=served.runtime,
        precision=served.precision,
        speed=rows,
    )


def reference_boxes(
    image: Any, long_side: int, score_threshold: float, nms_iou: float
) -> list[Box]:
    """OpenCV's boxes of a BGR image, plainly resized to a square; as fractions."""
    model = cv2.dnn.DetectionModel(reference(_NETWORK))
    model.setInputParams(scale=1 / 255, size=(long_side, long_side), swapRB=True)
    classes, scores, rectangles = model.detect(
        image, confThreshold=score_threshold, nmsThreshold=nms_iou
    )
    height, width = image.shape[:2]
    return [
        (int(label), float(score), x / width, y / height, (x + w) / width, (y + h) / height)
        for label, score, (x, y, w, h) in zip(classes, scores, rectangles, strict=True)
    ]


def our_boxes(
    detector: Detector, image: Any, long_side: int, score_threshold: float, nms_iou: float
) -> list[Box]:
    """The detector's boxes of a BGR image, plainly resized to a square; as fractions."""
    blob = cv2.dnn.blobFromImage(image, 1 / 255, (long_side, long_side), swapRB=True)
    [rows] = detector.candidates(np.asarray(blob, dtype=np.float32), score_threshold)
    at = Letterbox(0, 0, long_side, long_side)
    return postprocess(rows, at, score_threshold=score_threshold, nms_iou=nms_iou)


def _compare_boxes(detector: Detector) -> tuple[Table, Promise]:
    long_side, thresholds = 416, (0.3, 0.4)
    names = class_names()
    how = f"{detector.runtime} in float32 at {long_side}x{long_side}"
    table = Table(title=f"Boxes by {how}, against OpenCV's DNN module")
    for heading in ("photograph", "class", "score", "OpenCV's", "IoU"):
        table.add_column(heading, justify="left" if heading in ("photograph", "class") else "right")
    kept, worst_iou, worst_score, count = True, 1.0, 0.0, 0
    for photo in samples.PHOTOS:
        image = cv2.imread(str(samples.photo(photo)))
        theirs = reference_boxes(image, long_side, *thresholds)
        ours = our_boxes(detector, image, long_side, *thresholds)
        pairs = match(ours, theirs)
        kept = kept and len(pairs) == len(theirs) == len(ours) > 0
        for our, their, overlap in pairs:
            worst_iou = min(worst_iou, overlap)
            worst_score = max(worst_score, abs(our[1] - their[1]))
            count += 1
            table.add_row(
                photo, names[our[0]], f"{our[1]:.4f}", f"{their[1]:.4f}", f"{overlap:.4f}"
            )
    kept = kept and worst_iou >= MIN_IOU and worst_score <= MAX_SCORE_ERROR
    found = f"{count} boxes, least IoU {worst_iou:.3f}, greatest score error {worst_score:.4f}"
    name = f"the reference's boxes, each with IoU >= {MIN_IOU} and score within {MAX_SCORE_ERROR}"
    return table, Promise(name, kept, found)


def _rounded_to_bfloat16(network: Network) -> Network:
    """The network with each weight and each layer's result rounded as in bfloat16 with float32
    sums, which is how CPUs compute in it; in float32, so that it runs fast anywhere."""
    rounded = copy.deepcopy(network)

    def round_result(module: torch.nn.Module, inputs: object, result: torch.Tensor) -> torch.Tensor:
        return result.bfloat16().float()

    for convolution in rounded.convolutions():
        convolution.weight.copy_(convolution.weight.bfloat16())
        convolution.bias.copy_(convolution.bias.bfloat16())
        convolution.register_forward_hook(round_result)
    return rounded


def _cpu_name() -> str:
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    extra = "with" if has_bfloat16() else "without"
    return f"{name}, {extra} bfloat16 instructions"
