"""Weight files: every number in its place, and none too many or too few."""

import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from edge.models import darknet
from edge.models.weight_file import Header, WeightsError
from edge.models.yolov4 import Network, YoloV4, YoloV4Tiny, build


@pytest.fixture
def tiny_file(tmp_path: Path, random_tiny: Network) -> Path:
    path = tmp_path / "tiny.weights"
    darknet.save(path, random_tiny)
    return path


SIZES = {YoloV4: 257_717_640, YoloV4Tiny: 24_251_276}  # bytes, as published


def test_a_written_network_reads_back_the_same(random_network: Network, tmp_path: Path) -> None:
    path = tmp_path / "random.weights"
    darknet.save(path, random_network, Header(0, 2, 5, 32_032_000))
    assert path.stat().st_size == SIZES[type(random_network)]
    copy = type(random_network)().requires_grad_(False)
    assert darknet.load(path, copy) == Header(0, 2, 5, 32_032_000)
    pairs = zip(random_network.convolutions(), copy.convolutions(), strict=True)
    assert all(torch.equal(a.weight, b.weight) and torch.equal(a.bias, b.bias) for a, b in pairs)


def test_normalisation_is_folded(tmp_path: Path) -> None:
    """The loaded network equals a convolution followed by batch normalisation."""
    network = build("yolov4-tiny")
    rng = np.random.default_rng(3)
    first = next(network.convolutions())
    outputs, kernel = first.bias.numel(), tuple(first.weight.shape)
    beta, gamma, mean = rng.normal(size=(3, outputs)).astype("<f4")
    variance = rng.uniform(0.01, 3, outputs).astype("<f4")
    weight = rng.normal(size=kernel).astype("<f4")
    head = np.concatenate([beta, gamma, mean, variance, weight.reshape(-1)])
    rest = np.zeros(darknet.number_count(network) - head.size, dtype="<f4")
    path = tmp_path / "folded.weights"
    path.write_bytes(struct.pack("<3iq", 0, 2, 5, 0) + head.tobytes() + rest.tobytes())
    darknet.load(path, network)
    images = torch.rand(1, 3, 32, 32)
    x = torch.nn.functional.conv2d(images, torch.from_numpy(weight), stride=2, padding=1)
    normalized = torch.nn.functional.batch_norm(
        x,
        torch.from_numpy(mean),
        torch.from_numpy(variance),
        torch.from_numpy(gamma),
        torch.from_numpy(beta),
        eps=darknet.BN_EPSILON,
    )
    expected = torch.nn.functional.leaky_relu(normalized, 0.1)
    torch.testing.assert_close(first(images), expected, rtol=1e-4, atol=1e-4)


def test_an_old_header_has_a_short_counter(tmp_path: Path, random_tiny: Network) -> None:
    path = tmp_path / "old.weights"
    darknet.save(path, random_tiny, Header(0, 1, 0, 12))
    assert path.stat().st_size == 16 + 4 * 6_062_814
    assert darknet.load(path, build("yolov4-tiny")) == Header(0, 1, 0, 12)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda data: data[:-4], "6,062,813 numbers .*expected 6,062,814"),
        (lambda data: data[:-1], "6,062,813 numbers and 3 stray bytes .*expected 6,062,814"),
        (lambda data: data[: len(data) // 2], "cut short"),
        (lambda data: data + b"\0\0\0\0", "6,062,815 numbers .*expected 6,062,814"),
        (lambda data: data + b"\0", "longer .*6,062,814 numbers and 1 stray bytes"),
        (lambda data: b"", "not even a header"),
        (lambda data: data[:10], "not even a header"),
        (lambda data: b"<!DOCTYPE html><html>" + data, "no Darknet weight file"),
        (lambda data: data[:20] + struct.pack("<f", float("nan")) + data[24:], "number 0 .*nan"),
        (lambda data: data[:-4] + struct.pack("<f", float("inf")), "number 6,062,813 .*inf"),
        (  # the first variance, after the first convolution's 32 betas, gammas and means
            lambda data: data[: 20 + 384] + struct.pack("<f", -1.0) + data[20 + 388 :],
            "impossible variance in convolution 0",
        ),
    ],
)
def test_a_damaged_file_is_refused(tiny_file: Path, change, fault: str) -> None:  # type: ignore[no-untyped-def]
    tiny_file.write_bytes(change(tiny_file.read_bytes()))
    network = build("yolov4-tiny")
    with pytest.raises(WeightsError, match=fault) as caught:
        darknet.load(tiny_file, network)
    assert str(tiny_file) in str(caught.value)
    assert all(not convolution.weight.any() for convolution in network.convolutions())


def test_another_networks_file_is_refused(tiny_file: Path) -> None:
    with pytest.raises(WeightsError, match="6,062,814 numbers .*expected 64,429,405"):
        darknet.load(tiny_file, build("yolov4"))
