"""The comparisons of `bench detector`: boxes, accuracy and speed."""

from __future__ import annotations

import argparse
import copy
import itertools
import math
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any

import cv2
import numpy as np
import torch
from rich.table import Table

from analysis.bench.report import BenchmarkReport, Promise
from edge.assets import samples
from edge.assets.store import fetch
from edge.ipc.picture import Picture
from edge.models.boxes import F1, Box, match
from edge.models.decode import decode
from edge.models.detector import Detector
from edge.models.number_format import has_bfloat16
from edge.models.postprocess import postprocess
from edge.models.preprocess import Letterbox
from edge.models.weights import TINY_CONFIG, WEIGHTS, class_names, load_network
from edge.models.yolov4 import Network
from edge.profile.variant import LONG_SIDES, Variant

MIN_IOU, MAX_SCORE_ERROR = 0.95, 0.02  # of each box, against OpenCV's
MAX_F1_LOSS = 0.005
MIN_SPEEDUP = 2.0  # over plain float32; needs a device that computes faster in less precision

_NETWORK = "yolov4-tiny"
_TRUTH = Variant(_NETWORK, LONG_SIDES[-1])
_CAMERA = (1280, 720)  # the shape whose inputs are timed


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 when no promise was broken, 1 otherwise."""
    if options.threads:
        torch.set_num_threads(options.threads)
        cv2.setNumThreads(options.threads)
    report = BenchmarkReport(options.json, {"torch": torch.__version__, "opencv": cv2.__version__})
    network = load_network(_NETWORK)
    boxes, same_boxes = _compare_boxes(network)
    report.console.print(boxes)
    accuracy, same_accuracy = _compare_accuracy(network, options.device, options.quick)
    report.console.print(accuracy)
    speed, fast, rows = _compare_speed(network, options.device, options.quick)
    report.console.print(speed)
    return report.finish(
        [same_boxes, same_accuracy, fast],
        device=options.device,
        cpu=_cpu_name(),
        threads=torch.get_num_threads(),
        speed=rows,
    )


def reference() -> cv2.dnn.Net:
    """OpenCV's reading of Darknet's YOLOv4-tiny; needs OpenCV 4 (5 reads Darknet no more)."""
    config, weights = fetch(TINY_CONFIG), fetch(WEIGHTS[_NETWORK])
    return cv2.dnn.readNetFromDarknet(str(config), str(weights))


def reference_boxes(
    image: Any, long_side: int, score_threshold: float, nms_iou: float
) -> list[Box]:
    """OpenCV's boxes of a BGR image, plainly resized to a square; as fractions."""
    model = cv2.dnn.DetectionModel(reference())
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
    candidates = detector.forward(torch.from_numpy(np.asarray(blob, dtype=np.float32)))
    at = Letterbox(0, 0, long_side, long_side)
    return postprocess(candidates[0].numpy(), at, score_threshold=score_threshold, nms_iou=nms_iou)


def _compare_boxes(network: Network) -> tuple[Table, Promise]:
    long_side, thresholds = 416, (0.3, 0.4)
    detector = Detector(_NETWORK, network, precision="float32")
    names = class_names()
    table = Table(title=f"Boxes in float32 at {long_side}x{long_side}, against OpenCV's DNN module")
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


def _compare_accuracy(network: Network, device: str, quick: bool) -> tuple[Table, Promise]:
    exact = Detector(_NETWORK, network, device, "float32")
    reduced = Detector(_NETWORK, network, device)
    precision: str = reduced.precision
    if precision == "float32":  # judged all the same, since other machines serve in it
        reduced = Detector(_NETWORK, _rounded_to_bfloat16(network), device, "float32")
        precision = "emulated bfloat16"
    step = 10 if quick else 1
    table = Table("variant", "float32", precision, "lost", f"{precision} against float32")
    table.title = f"F1 over the street video's frames, against {_TRUTH.name} in float32"
    frames = itertools.islice(samples.pictures(samples.street_video()), 0, None, step)
    pictures = [Picture.from_av(frame) for frame in frames]
    _progress(f"{_TRUTH.name}: {len(pictures)} frames")
    truth = [exact.detect([picture], _TRUTH)[0] for picture in pictures]
    both = F1(), F1()
    for long_side in (224, 320, 416, 512):
        variant = Variant(_NETWORK, long_side)
        _progress(f"{variant.name}: {len(pictures)} frames")
        in_exact, in_reduced, agreement = F1(), F1(), F1()
        for picture, true in zip(pictures, truth, strict=True):
            precise, rough = (each.detect([picture], variant)[0] for each in (exact, reduced))
            for count, found in ((in_exact, precise), (in_reduced, rough)):
                count.add(found, true)
            for count, found in zip(both, (precise, rough), strict=True):
                count.add(found, true)
            agreement.add(rough, precise)
        lost = in_exact.value - in_reduced.value
        values = (in_exact.value, in_reduced.value, lost, agreement.value)
        table.add_row(variant.name, *(f"{value:.4f}" for value in values))
    lost = both[0].value - both[1].value
    name = f"at most {100 * MAX_F1_LOSS} points of F1 lost in {precision}"
    if quick:  # a single one of so few boxes is a point of F1
        return table, Promise(name, None, f"{100 * lost:+.2f} points on too few frames to judge")
    return table, Promise(name, lost <= MAX_F1_LOSS, f"{100 * lost:+.2f} points")


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


def _compare_speed(
    network: Network, device: str, quick: bool
) -> tuple[Table, Promise, list[dict[str, Any]]]:
    detector = Detector(_NETWORK, network, device)
    plain = load_network(_NETWORK).to(device)
    opencv = reference() if device == "cpu" else None
    precision = detector.precision
    table = Table(title=f"{_NETWORK}: images a second, {torch.get_num_threads()} threads")
    for heading in ("input", "batch", "plain", "OpenCV", "ours", "detect", "/plain", "/OpenCV"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.caption = (
        f"{_cpu_name() if device == 'cpu' else device}\nplain: PyTorch in float32; "
        f"ours: the network in {precision}; detect: all of it, from 1280x720 YUV"
    )
    rows: list[dict[str, Any]] = []
    long_sides = (224, 416) if quick else (128, 224, 320, 416, 608)
    batches = (1, 4) if quick else (1, 2, 4, 8)
    for long_side, batch in itertools.product(long_sides, batches):
        variant = Variant(_NETWORK, long_side)
        _progress(f"{variant.name}, {batch} at a time")
        row = _time_runners(variant, batch, plain, detector, opencv, rounds=7 if quick else 15)
        rows.append(row)
        table.add_row(
            f"{row['width']}x{row['height']}",
            str(batch),
            *(_rate(row["images_s"].get(name)) for name in ("float32", "opencv", "ours", "detect")),
            *(_ratio(row["ratio"].get(runner_name)) for runner_name in ("float32", "opencv")),
        )
    _progress("")
    speedup = geometric_mean([row["ratio"]["float32"] for row in rows])
    name = f"at least {MIN_SPEEDUP:g} times plain float32, over all variants and batches"
    found = f"{speedup:.2f} times in {precision}"
    if precision == "float32":
        found += ": no lower precision is faster on this device"
    return table, Promise(name, speedup >= MIN_SPEEDUP, found), rows


def _time_runners(
    variant: Variant,
    batch: int,
    plain: Network,
    detector: Detector,
    opencv: cv2.dnn.Net | None,
    *,
    rounds: int,
) -> dict[str, Any]:
    width, height = variant.input_size(*_CAMERA)
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(batch, 3, height, width, generator=generator)
    flat = torch.randint(0, 256, (_CAMERA[0] * _CAMERA[1] * 3 // 2,), dtype=torch.uint8)
    picture = Picture.from_buffer(flat.numpy().data, *_CAMERA)
    detector.warm_up(variant, _CAMERA, batch)

    def run_plain() -> None:
        with torch.inference_mode():
            decode(plain(images.to(detector.device)), plain.heads).cpu()

    def run_opencv() -> None:
        assert opencv is not None
        opencv.setInput(images.numpy())
        opencv.forward(opencv.getUnconnectedOutLayersNames())

    runners: dict[str, Callable[[], object]] = {
        "float32": run_plain,
        "ours": lambda: detector.forward(images),
        "detect": lambda: detector.detect([picture] * batch, variant),
    }
    if opencv is not None:
        runners["opencv"] = run_opencv
    seconds: dict[str, list[float]] = {runner_name: [] for runner_name in runners}
    for turn in range(-2, rounds):  # two to warm up
        for runner_name, runner in runners.items():
            started = time.perf_counter()
            runner()
            if turn >= 0:
                seconds[runner_name].append(time.perf_counter() - started)
    paired = {
        runner_name: median(np.divide(seconds[runner_name], seconds["ours"]).tolist())
        for runner_name in ("float32", "opencv")
        if runner_name in seconds
    }
    return {
        "variant": variant.name,
        "width": width,
        "height": height,
        "batch": batch,
        "images_s": {runner_name: batch / median(times) for runner_name, times in seconds.items()},
        "ratio": paired,
    }


def _rate(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.1f}"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}x"


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


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
    elif text:
        print(text, file=sys.stderr, flush=True)
