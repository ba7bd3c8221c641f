"""YOLOv4-tiny has the boxes of Darknet's reference, through every library that can run it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from analysis.bench.detector.comparison import MAX_SCORE_ERROR, MIN_IOU, our_boxes, reference_boxes
from edge.assets.samples import photo
from edge.models.boxes import Box, match
from edge.models.letterbox import Letterbox
from edge.models.postprocess import postprocess
from edge.models.registry.model import Model
from edge.models.registry.onnx_file import read_onnx
from edge.models.registry.opening import open_decoded
from edge.models.registry.output_layouts import candidates
from edge.models.runtime.conversion import convert
from edge.models.runtime.openvino.openvino_detector import OpenVinoDetector
from edge.models.runtime.openvino.openvino_library import is_installed
from edge.models.runtime.openvino.openvino_network import compile_network
from edge.models.runtime.torch.torch_detector import TorchDetector
from edge.models.weights import class_names
from edge.models.yolov4 import Network

from .registry.onnx_export import Decoded, export

pytestmark = pytest.mark.weights

NAME, LONG_SIDE, SCORE, OVERLAP = "yolov4-tiny", 416, 0.3, 0.4
PHOTOGRAPHS = {"bus": 4, "zidane": 2}  # and how many boxes there are at least

FindBoxes = Callable[[cv2.typing.MatLike], list[Box]]

needs_openvino = pytest.mark.skipif(not is_installed(), reason="no openvino")


@pytest.fixture(scope="module")
def exported(tiny: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """YOLOv4-tiny as an ONNX file with free sides, its boxes decoded in the graph."""
    return export(tmp_path_factory.mktemp("onnx") / "tiny.onnx", Decoded(tiny))


def by_openvino(tiny: Network, exported: Path) -> FindBoxes:
    detector = OpenVinoDetector(NAME, compile_network(convert(tiny), threads=2), tiny.heads)
    return lambda image: our_boxes(detector, image, LONG_SIDE, SCORE, OVERLAP)


def by_torch(tiny: Network, exported: Path) -> FindBoxes:
    detector = TorchDetector(NAME, tiny, precision="float32")
    return lambda image: our_boxes(detector, image, LONG_SIDE, SCORE, OVERLAP)


def by_onnx_in_openvino(tiny: Network, exported: Path) -> FindBoxes:
    """As an ONNX model of the settings is served."""
    names = tuple(class_names())
    detector = open_decoded(Model("mine", "mine", names, (LONG_SIDE,), onnx=exported), threads=2)
    return lambda image: our_boxes(detector, image, LONG_SIDE, SCORE, OVERLAP)


def by_onnx_in_onnx_runtime(tiny: Network, exported: Path) -> FindBoxes:
    """The file in its authors' own library, with the server's reading of the outputs."""
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    head = read_onnx(exported).head

    def find(image: cv2.typing.MatLike) -> list[Box]:
        size = (LONG_SIDE, LONG_SIDE)
        images = cv2.dnn.blobFromImage(image, 1 / 255, size, swapRB=True)
        outputs = [np.asarray(each) for each in session.run(None, {"images": images})]
        rows = candidates(head, outputs, 0, size)
        return postprocess(rows, Letterbox(0, 0, *size), score_threshold=SCORE, nms_iou=OVERLAP)

    return find


@pytest.mark.parametrize(
    "library",
    [
        by_torch,
        *(
            pytest.param(each, marks=needs_openvino)
            for each in (by_openvino, by_onnx_in_openvino, by_onnx_in_onnx_runtime)
        ),
    ],
)
def test_float32_is_darknets_reference(
    library: Callable[[Network, Path], FindBoxes], tiny: Network, exported: Path
) -> None:
    find = library(tiny, exported)
    for name, least in PHOTOGRAPHS.items():
        image = cv2.imread(str(photo(name)))
        assert image is not None
        theirs = reference_boxes(image, LONG_SIDE, SCORE, OVERLAP)
        ours = find(image)
        pairs = match(ours, theirs, MIN_IOU)
        assert len(pairs) == len(ours) == len(theirs) >= least
        assert all(abs(our[1] - their[1]) <= MAX_SCORE_ERROR for our, their, _ in pairs)
