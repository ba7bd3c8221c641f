"""Darknet's weight files: a short header, then every number of the network as a float32.

The header is three int32 (major, minor, revision of the format) and the number of images seen in
training: an int64, or an int32 before version 0.2. Then, for each convolution in the network's
order: batch normalisation's beta, gamma, mean and variance (or the bias, without normalisation),
then the kernel as outputs x inputs x height x width. All little-endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from edge.models.convolution import Convolution
from edge.models.yolov4 import Network

BN_EPSILON = 1e-5  # added to the variance before the square root

_VERSION = struct.Struct("<3i")
_MAX_VERSION = 1000  # a bigger one marks transposed matrices of ancient files, or another format

_Floats = npt.NDArray[np.float32]


class WeightsError(Exception):
    """A weight file that does not fit the network; the message names the file and the fault."""


@dataclass(frozen=True, slots=True)
class Header:
    """A weight file's header; `images_seen` counts training images."""

    major: int
    minor: int
    revision: int
    images_seen: int


def number_count(network: Network) -> int:
    """The number of float32 values in the network's weight file."""
    return sum(_numbers(convolution) for convolution in network.convolutions())


def load(path: Path, network: Network) -> Header:
    """Fill the network from a weight file, folding batch normalisation into the convolutions.

    Raises WeightsError, and leaves the network as it was, unless the file holds exactly the
    network's numbers and all of them are finite; OSError if it can't be read.
    """
    data = path.read_bytes()
    header, offset = _read_header(path, data)
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


def save(path: Path, network: Network, header: Header = Header(0, 2, 5, 0)) -> None:
    """Write the network as a weight file that `load` reads back to the same numbers.

    Its batch normalisation is folded already, so an identity is written in its place.
    """
    with path.open("wb") as file:
        file.write(_VERSION.pack(header.major, header.minor, header.revision))
        file.write(struct.pack(_seen_format(header.major, header.minor), header.images_seen))
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


def _seen_format(major: int, minor: int) -> str:
    return "<q" if major * 10 + minor >= 2 else "<i"


def _read_header(path: Path, data: bytes) -> tuple[Header, int]:
    try:
        major, minor, revision = _VERSION.unpack_from(data)
        seen = _seen_format(major, minor)
        (images_seen,) = struct.unpack_from(seen, data, _VERSION.size)
    except struct.error:
        raise WeightsError(f"{path}: cut short: {len(data)} bytes, not even a header") from None
    if not (0 <= major < _MAX_VERSION and 0 <= minor < _MAX_VERSION):
        raise WeightsError(f"{path}: no Darknet weight file: its version reads {major}.{minor}")
    return Header(major, minor, revision, images_seen), _VERSION.size + struct.calcsize(seen)


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
