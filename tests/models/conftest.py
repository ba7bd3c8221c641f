"""Networks that several tests share."""

import cv2
import numpy as np
import pytest
import torch

from edge.assets import samples
from edge.ipc.picture import Picture
from edge.models.weights import load_network
from edge.models.yolov4 import Network, build


def randomize(network: Network, seed: int = 0) -> Network:
    """Fill a network with numbers that keep activations of all layers alive and bounded."""
    generator = torch.Generator().manual_seed(seed)
    for convolution in network.convolutions():
        fan_in = convolution.weight[0].numel()
        convolution.weight.normal_(0.0, (2.0 / fan_in) ** 0.5, generator=generator)
        convolution.bias.normal_(0.0, 0.1, generator=generator)
    return network


@pytest.fixture(scope="session")
def random_tiny() -> Network:
    return randomize(build("yolov4-tiny"))


@pytest.fixture(scope="session")
def random_yolov4() -> Network:
    return randomize(build("yolov4"))


@pytest.fixture(params=["yolov4", "yolov4-tiny"])
def random_network(request: pytest.FixtureRequest) -> Network:
    """Each network in turn; shared, so not to be changed."""
    name = "random_yolov4" if request.param == "yolov4" else "random_tiny"
    network: Network = request.getfixturevalue(name)
    return network


@pytest.fixture(scope="session")
def tiny() -> Network:
    """YOLOv4-tiny with the published weights."""
    return load_network("yolov4-tiny")


@pytest.fixture(scope="session")
def photographs() -> dict[str, Picture]:
    pictures = {}
    for name in samples.PHOTOS:
        image = cv2.imread(str(samples.photo(name)))
        assert image is not None
        rgb = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)
        pictures[name] = Picture.from_rgb(rgb)
    return pictures
