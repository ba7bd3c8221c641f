"""VP9's payload descriptor (RFC 9628, section 4.2), packet by packet. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from edge.rtc.jitter.payloads.payload import Payload
from edge.rtc.jitter.payloads.picture_reference import PictureReference
from edge.rtc.jitter.payloads.vp9_header import read_header

_MAX_DIFFERENCES = 3  # of a layer frame in flexible mode


@dataclass(slots=True)
class _Structure:
    """The scalability structure: the largest layer's size, and a group of pictures."""

    width: int = 0
    height: int = 0
    group: tuple[frozenset[int], ...] = ()


class _Cut(Exception):
    """The payload ends within its descriptor."""


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def byte(self) -> int:
        if self.at >= len(self.data):
            raise _Cut
        self.at += 1
        return self.data[self.at - 1]

    def pair(self) -> int:
        return self.byte() << 8 | self.byte()


def depacketize_vp9(payload: bytes) -> Payload | None:
    """A packet's part of a picture; None if it is malformed."""
    try:
        return _read(_Reader(payload))
    except _Cut:
        return None


def _read(reader: _Reader) -> Payload | None:
    flags = reader.byte()
    has_id, predicted, has_layers, flexible, starts, ends, has_structure = (
        bool(flags & bit) for bit in (0x80, 0x40, 0x20, 0x10, 0x08, 0x04, 0x02)
    )
    picture_id, id_bits = None, 15
    if has_id:
        picture_id, id_bits = reader.byte(), 7
        if picture_id & 0x80:
            picture_id, id_bits = (picture_id & 0x7F) << 8 | reader.byte(), 15
    temporal = spatial = 0
    depends = False  # on the spatial layer below, of the same picture
    if has_layers:
        layers = reader.byte()
        temporal, spatial, depends = layers >> 5, layers >> 1 & 7, bool(layers & 1)
        if not flexible:
            reader.byte()  # TL0PICIDX
    differences = _differences(reader, predicted) if flexible else None
    structure = _structure(reader) if has_structure else _Structure()
    data = reader.data[reader.at :]
    if not data:
        return None
    first = starts and spatial == 0
    header = read_header(data) if starts else None
    if starts and header is None:
        return None
    keyframe = first and header is not None and header.keyframe
    width, height = structure.width, structure.height
    if header is not None and header.width * header.height > width * height:
        width, height = header.width, header.height
    return Payload(
        data=data,
        starts=starts,
        first=first,
        keyframe=keyframe,
        delta=first and not keyframe,
        droppable=None if header is None else header.refreshes == 0,
        width=width,
        height=height,
        resumes=not starts or (spatial > 0 and depends),
        closed=ends,
        reference=PictureReference(
            picture_id, id_bits, temporal, predicted, has_layers, differences, structure.group
        ),
    )


def _differences(reader: _Reader, predicted: bool) -> frozenset[int]:
    found: set[int] = set()
    more = predicted
    while more:
        value = reader.byte()
        found.add(value >> 1)
        more = bool(value & 1)
        if more and len(found) >= _MAX_DIFFERENCES:
            raise _Cut
    return frozenset(found)


def _structure(reader: _Reader) -> _Structure:
    flags = reader.byte()
    structure = _Structure()
    if flags & 0x10:
        sizes = [(reader.pair(), reader.pair()) for _ in range((flags >> 5) + 1)]
        structure.width, structure.height = max(sizes, key=lambda size: size[0] * size[1])
    if flags & 0x08:
        group = []
        for _ in range(reader.byte()):
            count = reader.byte() >> 2 & 3
            group.append(frozenset(reader.byte() for _ in range(count)))
        structure.group = tuple(group)
    return structure


def joined(parts: list[Payload]) -> bytes:
    """A picture's data for the decoder: its layer frames in a superframe, if there are several.

    The index at its end tells the sizes (VP9 bitstream specification, annex B).
    """
    frames: list[list[bytes]] = []
    for part in parts:
        if part.starts or not frames:
            frames.append([])
        frames[-1].append(part.data)
    whole = [b"".join(frame) for frame in frames]
    if not 1 < len(whole) <= 8:
        return b"".join(whole)
    width = max(1, (max(map(len, whole)).bit_length() + 7) // 8)
    mark = bytes([0xC0 | (width - 1) << 3 | len(whole) - 1])
    sizes = b"".join(len(frame).to_bytes(width, "little") for frame in whole)
    return b"".join(whole) + mark + sizes + mark
