"""Networks by name, with numbers from a file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from edge.models import darknet
from edge.models.weight_file import WeightsError
from edge.models.weights import WEIGHTS, class_names, load_network
from edge.models.yolov4 import Network, YoloV4Tiny
from edge.profile.variant import NETWORKS


def test_a_network_gets_the_numbers_of_the_given_file(random_tiny: Network, tmp_path: Path) -> None:
    path = tmp_path / "own.weights"
    darknet.save(path, random_tiny)
    network = load_network("yolov4-tiny", path)
    assert isinstance(network, YoloV4Tiny)
    for one, other in zip(network.convolutions(), random_tiny.convolutions(), strict=True):
        assert torch.equal(one.weight, other.weight)
    assert not network.training
    with pytest.raises(WeightsError, match="cut short"):
        load_network("yolov4", path)  # another network's


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown network 'yolov9'.*yolov4"):
        load_network("yolov9")


def test_every_network_has_published_weights() -> None:
    assert set(WEIGHTS) == set(NETWORKS)


@pytest.mark.weights
def test_the_class_names_are_cocos() -> None:
    names = class_names()
    assert len(names) == len(set(names)) == 80
    assert (names[0], names[79]) == ("person", "toothbrush")
