"""The detector against its references: same boxes, no accuracy lost, and its speed.

Boxes: OpenCV's DNN module runs Darknet's own description of YOLOv4-tiny on two photographs.
Accuracy: F1 of this device's precision and of float32 over a street video (and further ones, by
--video), against the 608-pixel output in float32. Speed: images a second of plain PyTorch in
float32, of PyTorch with packed weights (the detector before OpenVINO), of OpenCV, of ONNX Runtime
and of the detector, in turn on the same input, compared round by round.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from edge.workers.handle import OPENMP


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda:N")
    parser.add_argument("--quick", action="store_true", help="fewer frames, sizes and rounds")
    parser.add_argument(
        "--video",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="more pictures for the accuracy: up to 300 of each",
    )
    parser.add_argument("--no-speed", action="store_true", help="boxes and accuracy alone")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads; default all cores")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 when every promise was kept, 1 otherwise."""
    for name, value in OPENMP.items():  # as in a worker; read when torch loads
        os.environ.setdefault(name, value)
    from analysis.bench.detector import comparison  # noqa: PLC0415  # torch loads only where it is used

    return comparison.run(options)
