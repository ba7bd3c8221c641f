"""Networks built from .cfg files are the hand-written ones, and those that OpenCV reads."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from edge.models import darknet
from edge.models.cfg.cfg_file import read_cfg
from edge.models.cfg.cfg_network import CfgNetwork, build
from edge.models.decode import decode
from edge.models.yolov4 import Network

from ..conftest import randomize
from ..darknet_config import small, yolov4, yolov4_tiny


def from_text(folder: Path, text: str) -> CfgNetwork:
    path = folder / "network.cfg"
    path.write_text(text)
    return build(read_cfg(path))


@pytest.mark.parametrize("name", ["yolov4-tiny", "yolov4"])
def test_a_cfg_built_network_equals_the_hand_written_one_bit_for_bit(
    name: str, random_tiny: Network, random_yolov4: Network, tmp_path: Path
) -> None:
    written = random_tiny if name == "yolov4-tiny" else random_yolov4
    built = from_text(tmp_path, yolov4_tiny() if name == "yolov4-tiny" else yolov4(416))
    weights = tmp_path / "network.weights"
    darknet.save(weights, written)
    darknet.load(weights, built)
    images = torch.rand(2, 3, 96, 128)
    maps, expected = built(images), written(images)
    assert len(maps) == len(expected)
    assert all(torch.equal(one, other) for one, other in zip(maps, expected, strict=True))
    assert torch.equal(decode(maps, built.heads), decode(expected, written.heads))


@pytest.mark.parametrize("new_coords", [False, True])
def test_every_kind_of_layer_is_what_opencv_makes_of_it(new_coords: bool, tmp_path: Path) -> None:
    """Boxes and scores agree: the layers, the order of the numbers, the decoding of both kinds."""
    text = small(new_coords=new_coords)
    network = randomize(from_text(tmp_path, text))
    weights = tmp_path / "network.weights"
    darknet.save(weights, network)
    opencv = cv2.dnn.readNetFromDarknet(str(tmp_path / "network.cfg"), str(weights))
    images = torch.rand(1, 3, 64, 64)
    opencv.setInput(images.numpy())
    theirs = np.concatenate(
        [rows.reshape(-1, 8) for rows in opencv.forward(opencv.getUnconnectedOutLayersNames())]
    )
    ours = decode(network(images), network.heads)[0].numpy()
    assert len(ours) == len(theirs)
    # OpenCV's rows: centre, size (fractions), objectness, and this times each class's probability,
    # or 0 where that is low or another box suppresses it.
    kept = theirs[theirs[:, 5:].max(axis=1) > 0]
    centre, half = kept[:, :2] * 64, kept[:, 2:4] * 32
    expected = np.hstack((kept[:, 5:].max(axis=1, keepdims=True), centre - half, centre + half))
    found = ours[:, [0, 2, 3, 4, 5]]
    distances = np.abs(found[None] - expected[:, None]).max(axis=2)
    assert len(kept) > 10
    assert distances.min(axis=1).max() < 0.01
