"""Darknet's weight files: a short header, then every number of the network as a float32.

After the header (`edge.models.weight_file`), for each convolution in the network's order: batch
normalisation's beta, gamma, mean and variance (or the bias, without normalisation), then the kernel
as outputs x inputs x height x width. All little-endian.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from edge.models.convolution import Convolution
from edge.models.weight_file import VERSION, Header, WeightsError, read_header, seen_format
from edge.models.yolov4 import Network

_OURS = Header(0, 2, 5, 0)  # in files that are written here
BN_EPSILON = 1e-5  # added to the variance before the square root

_Floats = npt.NDArray[np.float32]


def number_count(network: Network) -> int:
    """The number of float32 values in the network's weight file."""
    return sum(_numbers(convolution) for convolution in network.convolutions())


def load(path: Path, network: Network) -> Header:
    """Fill the network from a weight file, folding batch normalisation into the convolutions.

    Raises WeightsError, and leaves the network as it was, unless the file holds exactly the
    network's numbers and all of them are finite; OSError if it can't be read.
    """
    data = path.read_bytes()
    header, offset = read_header(path, data)
    expected = number_count(network)
    found, rest = divmod(len(data) - offset, 4)
    if found != expected or rest:
        fault = "cut short" if found < expected else "longer than this network's"
        extra = f" and {rest} stray bytes" if rest else ""
        raise WeightsError(
            f"{path}: {fault}: {found:,} numbers{extra} after the header, expected {expected:,}"
        )
    numbers = np.frombuffer(data, dtype="<f4", offset=offset)
    bad = np.flatnonzero(~np.isfinite(numbers))
    if bad.size:
        raise WeightsError(
            f"{path}: damaged: number {bad[0]:,} of {expected:,} is {numbers[bad[0]]}"
        )
    folded = []
    position = 0
    for index, convolution in enumerate(network.convolutions()):
        count = _numbers(convolution)
        weight, bias = _fold(convolution, numbers[position : position + count])
        if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
            raise WeightsError(f"{path}: damaged: impossible variance in convolution {index}")
        folded.append((convolution, weight, bias))
        position += count
    with torch.no_grad():
        for convolution, weight, bias in folded:
            convolution.weight.copy_(torch.from_numpy(weight))
            convolution.bias.copy_(torch.from_numpy(bias))
    return header


def save(path: Path, network: Network, header: Header = _OURS) -> None:
    """Write the network as a weight file that `load` reads back to the same numbers.

    Its batch normalisation is folded already, so an identity is written in its place.
    """
    with path.open("wb") as file:
        file.write(VERSION.pack(header.major, header.minor, header.revision))
        file.write(struct.pack(seen_format(header.major, header.minor), header.images_seen))
        for convolution in network.convolutions():
            bias = convolution.bias.detach().cpu().numpy().astype("<f4")
            file.write(bias.tobytes())
            if convolution.normalized:
                for value in (1.0, 0.0, 1.0 - BN_EPSILON):  # gamma, mean, variance
                    file.write(np.full_like(bias, value).tobytes())
            file.write(convolution.weight.detach().cpu().numpy().astype("<f4").tobytes())


def _numbers(convolution: Convolution) -> int:
    vectors = 4 if convolution.normalized else 1
    return convolution.weight.numel() + vectors * convolution.bias.numel()


def _fold(convolution: Convolution, numbers: _Floats) -> tuple[_Floats, _Floats]:
    outputs = convolution.bias.numel()
    shape = tuple(convolution.weight.shape)
    if not convolution.normalized:
        return numbers[outputs:].reshape(shape).copy(), numbers[:outputs].copy()
    # In float64, so that folding loses no precision.
    beta, gamma, mean, variance = numbers[: 4 * outputs].reshape(4, outputs).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        scale = gamma / np.sqrt(variance + BN_EPSILON)
        weight = numbers[4 * outputs :].reshape(shape) * scale[:, None, None, None]
        return weight.astype(np.float32), (beta - mean * scale).astype(np.float32)
