"""A Darknet weight file's header, read without PyTorch.

The header is three int32 (major, minor, revision of the format) and the number of images seen in
training: an int64, or an int32 before version 0.2. All little-endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

VERSION = struct.Struct("<3i")
HEADER_BYTES = 20  # at most
_MAX_VERSION = 1000  # a bigger one marks transposed matrices of ancient files, or another format


class WeightsError(Exception):
    """A weight file that does not fit the network; the message names the file and the fault."""


@dataclass(frozen=True, slots=True)
class Header:
    """A weight file's header; `images_seen` counts training images."""

    major: int
    minor: int
    revision: int
    images_seen: int


def seen_format(major: int, minor: int) -> str:
    """The format of `images_seen`, as `struct` has it."""
    return "<q" if major * 10 + minor >= 2 else "<i"


def read_header(path: Path, data: bytes) -> tuple[Header, int]:
    """The header at the start of `data`, and its size in bytes; WeightsError if there is none."""
    try:
        major, minor, revision = VERSION.unpack_from(data)
        seen = seen_format(major, minor)
        (images_seen,) = struct.unpack_from(seen, data, VERSION.size)
    except struct.error:
        raise WeightsError(f"{path}: cut short: {len(data)} bytes, not even a header") from None
    if not (0 <= major < _MAX_VERSION and 0 <= minor < _MAX_VERSION):
        raise WeightsError(f"{path}: no Darknet weight file: its version reads {major}.{minor}")
    return Header(major, minor, revision, images_seen), VERSION.size + struct.calcsize(seen)
