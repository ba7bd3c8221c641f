"""`python -m edge.models.runtime.prepare SERVER_PID NAME WEIGHTS FOLDER CLASSES [CFG]`.

Started by a worker: converts a network for OpenVINO, checks that it computes the same, and times
the runtimes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from edge.ipc.parent_watch import die_with_parent
from edge.models.runtime import number_format, prepared_network
from edge.models.runtime.conversion import convert
from edge.models.runtime.detector import Detector, Images
from edge.models.runtime.openvino.openvino_detector import OpenVinoDetector
from edge.models.runtime.openvino.openvino_library import OpenVinoError, openvino
from edge.models.runtime.openvino.openvino_network import compile_network, number_formats
from edge.models.runtime.runtime_choice import RuntimeChoice, measure_ms
from edge.models.runtime.torch.torch_detector import TorchDetector
from edge.models.weights import load_network
from edge.models.yolov4 import Network

_CHECKED = (2, 3, 96, 160)  # other sides and batch than those of the conversion
_SAME = 1e-3  # of a map's largest value: float32 sums in another order
_TIMED = (1, 3, 256, 416)
_LEAST_SCORE = 0.25


def main(name: str, weights: Path, folder: Path, classes: int, cfg: Path | None) -> None:
    """Fill `folder`/made; raises OpenVinoError, or as `load_network` does."""
    network = load_network(name, weights, cfg=cfg, classes=classes)
    made = folder / "made"
    made.mkdir()
    model = convert(network)
    openvino().save_model(model, str(made / prepared_network.MODEL), compress_to_fp16=False)
    check(network, made / prepared_network.MODEL)
    times_ms = measure(name, network, made / prepared_network.MODEL)
    prepared_network.save(made, network.heads, times_ms)


def check(network: Network, model: Path) -> None:
    """Raise OpenVinoError unless the model has the network's maps."""
    images = _images(_CHECKED)
    with torch.inference_mode():
        expected = [each.numpy() for each in network(torch.from_numpy(images))]
    found = compile_network(model)(images)
    for index, (ours, theirs) in enumerate(zip(expected, found, strict=True)):
        error = float(np.abs(ours - theirs).max()) / max(float(np.abs(ours).max()), 1e-6)
        if not error < _SAME:
            raise OpenVinoError(f"OpenVINO's map {index} differs by {error:.1%} from PyTorch's")


def measure(name: str, network: Network, model: Path) -> dict[RuntimeChoice, float]:
    """The time of each runtime and number format for one picture on one thread, in ms.

    On several threads a busy machine would most delay the runtime with the most barriers.
    """
    torch.set_num_threads(1)
    detectors: list[tuple[RuntimeChoice, Detector]] = [
        (
            RuntimeChoice("openvino", precision),
            OpenVinoDetector(name, compile_network(model, precision, 1), network.heads),
        )
        for precision in number_formats()
    ]
    detectors.append(
        (RuntimeChoice("torch", "float32"), TorchDetector(name, network, "cpu", "float32"))
    )
    if number_format.has_bfloat16():
        bfloat16 = TorchDetector(name, network, "cpu", "bfloat16")
        detectors.append((RuntimeChoice("torch", "bfloat16"), bfloat16))
    images = _images(_TIMED)
    runs: dict[RuntimeChoice, Callable[[], object]] = {
        choice: partial(detector.candidates, images, _LEAST_SCORE) for choice, detector in detectors
    }
    return measure_ms(runs)


def _images(shape: tuple[int, int, int, int]) -> Images:
    return np.random.default_rng(1).random(shape, dtype=np.float32)


if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]))
    try:
        described = Path(sys.argv[6]) if len(sys.argv) > 6 else None
        main(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]), int(sys.argv[5]), described)
    except Exception as error:  # whatever it is, the worker that waits has a way without
        sys.exit(f"{type(error).__name__}: {error}")
