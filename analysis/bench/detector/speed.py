"""Images a second of the detector and of others that run the same network, in turn on one input."""

from __future__ import annotations

import importlib.util
import io
import itertools
import math
import os
import time
import warnings
from collections.abc import Callable, Mapping
from statistics import geometric_mean, median
from typing import Any

import cv2
import numpy as np
import torch
from rich.table import Table

from analysis.bench.detector.progress import progress
from analysis.bench.report import Promise
from edge.assets.store import fetch
from edge.ipc.picture import Picture
from edge.models.decode import decode
from edge.models.runtime.detector import Detector, Images
from edge.models.runtime.torch.torch_detector import TorchDetector
from edge.models.weights import TINY_CONFIG, WEIGHTS
from edge.models.yolov4 import Network
from edge.profile.variant import Variant

MIN_SPEEDUP = 2.0  # over plain float32; needs a device that computes faster in less precision
NEVER_SLOWER = 0.9  # times as fast as each of the others, anywhere; the rest is noise
MIN_OVER_BEFORE = {1: 1.6, 8: 1.3}  # by batch, at every input, on a processor with AMX

_CAMERA = (1280, 720)  # the shape whose inputs are timed
_LEAST_SCORE = 0.25
_HEADINGS = {
    "plain": "plain",
    "packed": "packed",
    "opencv": "OpenCV",
    "onnxruntime": "ONNX Rt.",
    "ours": "ours",
    "detect": "detect",
}

_PAUSE_S = 0.02  # until the threads of the library before no longer look for work
OTHERS = ("plain", "packed", "opencv", "onnxruntime")  # that ours is compared with

Runner = Callable[[], object]


def compare_speed(
    name: str, network: Network, detector: Detector, *, device: str, threads: int, quick: bool
) -> tuple[Table, list[Promise], list[dict[str, Any]]]:
    """The table, the promises, and its rows for the report."""
    others = _Others(name, network, device, threads)
    table = Table(title=f"{name}: images a second, {threads} threads")
    table.add_column("input", justify="right", no_wrap=True)
    table.add_column("batch", justify="right")
    for heading in (*_HEADINGS.values(), "/plain", "/packed", "/OpenCV", "/ONNX Rt."):
        table.add_column(heading, justify="right", no_wrap=True)
    table.caption = (
        "plain: PyTorch in float32; packed, which was ours before OpenVINO: PyTorch with weights "
        f"in oneDNN's layout, in {others.packed.precision}; ours: {detector.runtime} in "
        f"{detector.precision}; detect: all of it, from 1280x720 YUV"
    )
    rows: list[dict[str, Any]] = []
    for long_side, batch in itertools.product(
        (224, 416) if quick else (128, 224, 320, 416, 608), (1, 4) if quick else (1, 2, 4, 8)
    ):
        variant = Variant(name, long_side)
        progress(f"{variant.name}, {batch} at a time")
        row = _row(variant, batch, detector, others, rounds=5 if quick else 11)
        rows.append(row)
        table.add_row(
            f"{row['width']}x{row['height']}",
            str(batch),
            *(_rate(row["images_s"].get(runner)) for runner in _HEADINGS),
            *(_times(row["ratio"].get(runner)) for runner in OTHERS),
        )
    progress("")
    return table, promises(rows, f"{detector.runtime} in {detector.precision}", has_amx()), rows


def has_amx() -> bool:
    """Whether this CPU has AMX; False on others than x86."""
    return bool(getattr(torch.cpu, "_is_amx_tile_supported", bool)())


def promises(rows: list[dict[str, Any]], ours: str, amx: bool) -> list[Promise]:
    """What `rows` say of each promise; `ours` names what ran, `amx`: on a CPU that has it."""
    speedup = geometric_mean([row["ratio"]["plain"] for row in rows])
    found = f"{speedup:.2f} times, by {ours}"
    least, where = min(
        (float(ratio), f"{_where(row)}: {_HEADINGS[other]}")
        for row in rows
        for other, ratio in row["ratio"].items()
    )
    over_before = []
    for batch, wanted in MIN_OVER_BEFORE.items():
        of_batch = [row for row in rows if row["batch"] == batch]
        if not of_batch:
            continue
        slowest = min(of_batch, key=lambda row: float(row["ratio"]["packed"]))
        ratio = float(slowest["ratio"]["packed"])
        over_before.append(
            Promise(
                f"batch {batch}: at least {wanted:g} times packed at every input, with AMX",
                ratio >= wanted if amx else None,
                f"at least {ratio:.2f} times ({_where(slowest)}), {'with' if amx else 'no'} AMX",
            )
        )
    return [
        Promise(
            f"at least {MIN_SPEEDUP:g} times plain float32, over all variants and batches",
            speedup >= MIN_SPEEDUP,
            found,
        ),
        Promise(
            "nowhere slower than any of the others",
            least >= NEVER_SLOWER,
            f"at least {least:.2f} times as fast ({where})",
        ),
        *over_before,
    ]


def _where(row: dict[str, Any]) -> str:
    return f"{row['width']}x{row['height']}, batch {row['batch']}"


class _Others:
    """Other programs with the same network and weights."""

    def __init__(self, name: str, network: Network, device: str, threads: int) -> None:
        self._device = device
        self._plain = network.to(device)
        self.packed = TorchDetector(name, network, device)
        self._opencv = reference(name) if device == "cpu" else None
        self._onnx = _onnx_session(network, threads) if device == "cpu" else None

    def runners(self, images: Images) -> dict[str, Runner]:
        tensor = torch.from_numpy(images)

        def plain() -> None:
            with torch.inference_mode():
                decode(self._plain(tensor.to(self._device)), self._plain.heads).cpu()

        def opencv() -> None:
            assert self._opencv is not None
            self._opencv.setInput(images)
            self._opencv.forward(self._opencv.getUnconnectedOutLayersNames())

        found: dict[str, Runner] = {
            "plain": plain,
            "packed": lambda: self.packed.candidates(images, _LEAST_SCORE),
        }
        if self._opencv is not None:
            found["opencv"] = opencv
        if (session := self._onnx) is not None:
            found["onnxruntime"] = lambda: session.run(None, {"images": images})
        return found


def reference(name: str) -> cv2.dnn.Net:
    """OpenCV's reading of Darknet's YOLOv4-tiny; needs OpenCV 4 (5 reads Darknet no more)."""
    config, weights = fetch(TINY_CONFIG), fetch(WEIGHTS[name])
    return cv2.dnn.readNetFromDarknet(str(config), str(weights))


def _onnx_session(network: Network, threads: int) -> Any:
    """ONNX Runtime's session of the network in float32.

    None where it, or the package `onnx` that the export needs, is not installed.
    """
    if any(importlib.util.find_spec(name) is None for name in ("onnxruntime", "onnx")):
        return None
    import onnxruntime  # noqa: PLC0415

    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # the exporter is called deprecated: its successor is slower
        torch.onnx.export(
            network,
            (torch.zeros(1, 3, 96, 128),),
            file,  # type: ignore[arg-type]  # taken by this exporter
            dynamo=False,
            input_names=["images"],
            dynamic_axes={"images": {0: "batch", 2: "height", 3: "width"}},
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Its threads spin while it runs, as by default, but not on into the next library's turn.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(
        file.getvalue(), options, providers=["CPUExecutionProvider"]
    )


def timed_in_turn(runners: Mapping[str, Runner], rounds: int) -> dict[str, list[float]]:
    """Each one's seconds in each round; a first round is not counted.

    Each is run twice in a row, and the second is timed: the threads of the library before it go on
    waiting for work for some milliseconds, on the processors that it needs, and have taken its
    place in the caches.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runners}
    for turn in range(-1, rounds):
        for name, runner in runners.items():
            time.sleep(_PAUSE_S)
            runner()
            started = time.perf_counter()
            runner()
            if turn >= 0:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def _row(
    variant: Variant, batch: int, detector: Detector, others: _Others, *, rounds: int
) -> dict[str, Any]:
    width, height = variant.input_size(*_CAMERA)
    rng = np.random.default_rng(1)
    images = rng.random((batch, 3, height, width), dtype=np.float32)
    flat = rng.integers(0, 256, _CAMERA[0] * _CAMERA[1] * 3 // 2, dtype=np.uint8)
    picture = Picture.from_buffer(flat.data, *_CAMERA)
    detector.warm_up(variant, _CAMERA, batch)
    runners: dict[str, Runner] = {
        **others.runners(images),
        "ours": lambda: detector.candidates(images, _LEAST_SCORE),
        "detect": lambda: detector.detect([picture] * batch, variant),
    }
    seconds = timed_in_turn(runners, rounds)
    ours = seconds["ours"]
    return {
        "variant": variant.name,
        "width": width,
        "height": height,
        "batch": batch,
        "load": round(os.getloadavg()[0], 1),
        "images_s": {runner_name: batch / median(times) for runner_name, times in seconds.items()},
        "best_ms": {runner_name: 1000 * min(times) for runner_name, times in seconds.items()},
        "ratio": {
            runner_name: median(np.divide(times, ours).tolist())
            for runner_name, times in seconds.items()
            if runner_name not in ("ours", "detect")
        },
    }


def _times(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}x"


def _rate(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.1f}"
