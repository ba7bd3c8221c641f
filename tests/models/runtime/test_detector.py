"""The detector finds what is there, whatever the picture's size, precision and company."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from edge.assets.samples import photo
from edge.ipc.picture import Picture
from edge.models import convolution
from edge.models.boxes import iou, match
from edge.models.runtime.conversion import convert
from edge.models.runtime.detector import Detector
from edge.models.runtime.openvino.openvino_detector import OpenVinoDetector
from edge.models.runtime.openvino.openvino_library import is_installed
from edge.models.runtime.openvino.openvino_network import compile_network
from edge.models.runtime.torch.torch_detector import TorchDetector
from edge.models.weights import class_names
from edge.models.yolov4 import Network
from edge.profile.variant import NumberFormat, Variant

_CONVERTED: dict[Network, Any] = {}  # the session's few networks; a conversion takes a second

Open = Callable[[str, Network, NumberFormat], Detector]

VARIANT = Variant("yolov4-tiny", 416)


# Detectors keep nothing of what they have seen, so tests share them; at most a few are in memory.
@functools.lru_cache(maxsize=3)
def _openvino(name: str, network: Network, precision: NumberFormat) -> Detector:
    if network not in _CONVERTED:
        _CONVERTED[network] = convert(network)
    compiled = compile_network(_CONVERTED[network], precision, 2)
    return OpenVinoDetector(name, compiled, network.heads)


@functools.lru_cache(maxsize=3)
def _torch(name: str, network: Network, precision: NumberFormat) -> Detector:
    return TorchDetector(name, network, precision=precision)


@pytest.fixture(params=["openvino", "torch"])
def open_it(request: pytest.FixtureRequest) -> Open:
    """Each runtime in turn."""
    if request.param == "torch":
        return _torch
    if not is_installed():
        pytest.skip("no openvino")
    return _openvino


def _noise(width: int, height: int, seed: int = 0) -> Picture:
    rng = np.random.default_rng(seed)
    return Picture.from_rgb(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.weights
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_photographs_objects_are_found(
    tiny: Network, photographs: dict[str, Picture], precision: NumberFormat, open_it: Open
) -> None:
    detector = open_it("yolov4-tiny", tiny, precision)
    names = class_names()
    found = {
        name: [(names[box[0]], box) for box in detector.detect([picture], VARIANT)[0]]
        for name, picture in photographs.items()
    }
    people = [box for label, box in found["bus"] if label == "person"]
    buses = [box for label, box in found["bus"] if label == "bus"]
    # Where they stand, as fractions of the photograph, read off it by eye.
    for place in ((0.06, 0.37, 0.30, 0.84), (0.27, 0.38, 0.43, 0.80)):
        assert max(iou(box[2:], place) for box in people) > 0.7
    assert max(iou(box[2:], (0.02, 0.21, 0.99, 0.69)) for box in buses) > 0.7
    people = [box for label, box in found["zidane"] if label == "person"]
    ties = [box for label, box in found["zidane"] if label == "tie"]
    assert max(iou(box[2:], (0.58, 0.06, 0.90, 0.99)) for box in people) > 0.7
    assert ties


@pytest.mark.weights
@pytest.mark.parametrize("long_side", [320, 416, 608])
def test_a_batch_finds_what_single_pictures_do(
    tiny: Network, photographs: dict[str, Picture], long_side: int, open_it: Open
) -> None:
    detector = open_it("yolov4-tiny", tiny, "float32")
    variant = Variant("yolov4-tiny", long_side)
    first, second = photographs["zidane"], _noise(1280, 720)
    alone = [detector.detect([picture], variant)[0] for picture in (first, second, first)]
    together = detector.detect([first, second, first], variant)
    for one, other in zip(alone, together, strict=True):
        assert [box[0] for box in one] == [box[0] for box in other]
        np.testing.assert_allclose(
            np.array([box[1:] for box in one]), np.array([box[1:] for box in other]), atol=1e-3
        )


@pytest.mark.weights
def test_a_smaller_sending_of_the_same_picture_gives_the_same_places(
    tiny: Network, photographs: dict[str, Picture], open_it: Open
) -> None:
    """Boxes are fractions of the sent picture, so they may not move with its size."""
    detector = open_it("yolov4-tiny", tiny, "bfloat16")
    image = cv2.imread(str(photo("bus")))
    assert image is not None
    small = np.asarray(cv2.resize(image, (401, 535), interpolation=cv2.INTER_AREA))[..., ::-1]
    full = detector.detect([photographs["bus"]], VARIANT)[0]
    again = detector.detect([Picture.from_rgb(np.ascontiguousarray(small))], VARIANT)[0]
    strong = [box for box in full if box[1] > 0.6]
    assert strong
    assert len(match(strong, again, 0.8)) == len(strong)


@pytest.mark.parametrize(
    ("width", "height"), [(16, 16), (641, 273), (273, 641), (1, 1), (2, 1), (3840, 2160)]
)
def test_any_size_is_taken(random_tiny: Network, width: int, height: int, open_it: Open) -> None:
    detector = open_it("yolov4-tiny", random_tiny, "float32")
    for long_side in (128, 608):
        (boxes,) = detector.detect(
            [_noise(width, height)], Variant("yolov4-tiny", long_side), score_threshold=0.05
        )
        assert all(0 <= value <= 1 for box in boxes for value in box[1:])
        assert [box[1] for box in boxes] == sorted((box[1] for box in boxes), reverse=True)
        assert len(boxes) <= 100


def test_yolov4_detects_too(random_yolov4: Network, open_it: Open) -> None:
    detector = open_it("yolov4", random_yolov4, "float32")
    variant = Variant("yolov4", 128)
    detector.warm_up(variant, (160, 90), 1)
    (boxes,) = detector.detect([_noise(160, 90)], variant, score_threshold=0.01)
    assert boxes


def test_pictures_of_different_sizes_share_an_input(random_tiny: Network, open_it: Open) -> None:
    detector = open_it("yolov4-tiny", random_tiny, "float32")
    pictures = [_noise(640, 360), _noise(1280, 720)]
    assert len(detector.detect(pictures, VARIANT)) == 2
    with pytest.raises(ValueError, match="one input size"):
        detector.detect([_noise(640, 360), _noise(360, 640)], VARIANT)
    assert detector.detect([], VARIANT) == []


def test_another_networks_variant_is_refused(random_tiny: Network, open_it: Open) -> None:
    detector = open_it("yolov4-tiny", random_tiny, "float32")
    with pytest.raises(ValueError, match="yolov4-416"):
        detector.detect([_noise(16, 16)], Variant("yolov4", 416))


def test_read_only_planes_are_fine(random_tiny: Network, open_it: Open) -> None:
    picture = _noise(64, 48)
    data = bytearray(picture.nbytes)
    picture.write_into(memoryview(data))
    frozen = Picture.from_buffer(memoryview(bytes(data)), 64, 48)
    detector = open_it("yolov4-tiny", random_tiny, "float32")
    assert detector.detect([frozen], VARIANT) == detector.detect([picture], VARIANT)


@pytest.mark.skipif(not is_installed(), reason="no openvino")
def test_both_runtimes_have_the_same_candidates(random_network: Network) -> None:
    name = "yolov4" if len(random_network.heads) == 3 else "yolov4-tiny"
    images = np.random.default_rng(3).random((2, 3, 64, 96), dtype=np.float32)
    ours = _openvino(name, random_network, "float32").candidates(images)
    theirs = _torch(name, random_network, "float32").candidates(images)
    for found, expected in zip(ours, theirs, strict=True):
        assert found.shape == expected.shape
        np.testing.assert_allclose(found[:, 0], expected[:, 0], rtol=1e-3, atol=1e-4)


@pytest.mark.skipif(not is_installed(), reason="no openvino")
def test_both_runtimes_have_the_same_boxes(tiny: Network, photographs: dict[str, Picture]) -> None:
    detectors = [each("yolov4-tiny", tiny, "float32") for each in (_openvino, _torch)]
    for picture in photographs.values():
        ours, theirs = (each.detect([picture], VARIANT)[0] for each in detectors)
        assert len(match(ours, theirs, 0.98)) == len(ours) == len(theirs) > 1
        np.testing.assert_allclose(np.array(ours), np.array(theirs), atol=2e-3)


def test_packed_weights_give_the_same_maps(random_network: Network) -> None:
    if not convolution.can_pack(torch.float32):
        pytest.skip("this build of torch packs no convolutions")
    network = copy.deepcopy(random_network)
    images = torch.rand(2, 3, 96, 128)
    expected = network(images)
    for each in network.convolutions():
        each.packs = 2
    with torch.inference_mode():
        for shape in ((2, 3, 96, 128), (1, 3, 64, 64), (1, 3, 32, 64), (2, 3, 96, 128)):
            found = network(images[: shape[0], :, : shape[2], : shape[3]].contiguous())
    for one, other in zip(expected, found, strict=True):
        assert (one - other).abs().max() < 1e-4 * one.abs().max()
    assert all(len(each._packed) == 2 for each in network.convolutions())  # bounded


@pytest.mark.cuda
@pytest.mark.weights
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("warm", [False, True])
def test_cuda_finds_what_the_cpu_does(
    tiny: Network, photographs: dict[str, Picture], warm: bool
) -> None:
    cpu = TorchDetector("yolov4-tiny", tiny, precision="float32")
    cuda = TorchDetector("yolov4-tiny", tiny, device="cuda:0")
    assert cuda.dtype == torch.float16
    for picture in photographs.values():
        if warm:
            for batch in (1, 2):
                cuda.warm_up(VARIANT, (picture.width, picture.height), batch)
            assert cuda._graphs
        expected = [box for box in cpu.detect([picture], VARIANT)[0] if box[1] > 0.4]
        for boxes in cuda.detect([picture, picture], VARIANT) + cuda.detect([picture], VARIANT):
            assert len(match(expected, boxes, 0.9)) == len(expected)
