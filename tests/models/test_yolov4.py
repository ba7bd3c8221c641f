"""The networks have the published shape."""

from pathlib import Path

import cv2
import pytest
import torch

from edge.models import darknet
from edge.models.yolov4 import Network, build

from .darknet_config import yolov4


@pytest.mark.parametrize(
    ("name", "convolutions", "numbers"),
    [("yolov4", 110, 64_429_405), ("yolov4-tiny", 21, 6_062_814)],
)
def test_a_network_has_the_published_numbers(name: str, convolutions: int, numbers: int) -> None:
    network = build(name)
    assert len(list(network.convolutions())) == convolutions
    assert darknet.number_count(network) == numbers


def test_heads_have_their_strides(random_network: Network) -> None:
    maps = random_network(torch.rand(2, 3, 64, 96))
    assert [tuple(raw.shape) for raw in maps] == [
        (2, 255, 64 // head.stride, 96 // head.stride) for head in random_network.heads
    ]
    assert all(raw.isfinite().all() and raw.std() > 0 for raw in maps)


def test_convolutions_run_in_the_order_of_the_file(random_network: Network) -> None:
    """Darknet stores its layers in the order in which it runs them."""
    ran: list[torch.nn.Module] = []
    hooks = [
        convolution.register_forward_hook(lambda module, *_: ran.append(module))
        for convolution in random_network.convolutions()
    ]
    random_network(torch.rand(1, 3, 32, 32))
    for hook in hooks:
        hook.remove()
    assert ran == list(random_network.convolutions())


def test_yolov4_is_what_opencv_reads_from_darknets_description(
    random_yolov4: Network, tmp_path: Path
) -> None:
    """The same file in OpenCV gives the same maps: architecture, order and heads are right."""
    long_side = 96
    network = random_yolov4
    weights, config = tmp_path / "yolov4.weights", tmp_path / "yolov4.cfg"
    darknet.save(weights, network)
    config.write_text(yolov4(long_side))
    opencv = cv2.dnn.readNetFromDarknet(str(config), str(weights))
    images = torch.rand(1, 3, long_side, long_side)
    opencv.setInput(images.numpy())
    ends = [name for name in opencv.getLayerNames() if name in {"conv_138", "conv_149", "conv_160"}]
    theirs = [torch.from_numpy(raw) for raw in opencv.forward(ends)]
    for our, their in zip(network(images), theirs, strict=True):
        assert our.shape == their.shape
        assert (our - their).abs().max() < 1e-3 * our.abs().max()


def test_wide_pools_are_chains_of_small_ones() -> None:
    from torch.nn.functional import max_pool2d

    from edge.models.yolov4 import _SpatialPyramid

    x = torch.randn(1, 4, 19, 7)
    thirteen, nine, five, same = _SpatialPyramid()(x).chunk(4, dim=1)
    assert torch.equal(same, x)
    for pooled, size in ((five, 5), (nine, 9), (thirteen, 13)):
        assert torch.equal(pooled, max_pool2d(x, size, stride=1, padding=size // 2))


def test_an_unknown_network_is_refused() -> None:
    with pytest.raises(ValueError, match="yolov9"):
        build("yolov9")
