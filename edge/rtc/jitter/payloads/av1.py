"""AV1's RTP payload (AOM's specification, version 1.0): OBUs, aggregated and in fragments. Pure.

Without the dependency descriptor, nothing outside a frame's own data tells what refers to it: a
lost frame breaks all until a key frame.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edge.rtc.jitter.payloads.av1_header import read_sequence
from edge.rtc.jitter.payloads.payload import Payload

SEQUENCE, DELIMITER, FRAME_HEADER, TILE_GROUP, _, FRAME, REPEATED_HEADER, TILE_LIST = range(1, 9)
PADDING = 15
_USELESS = frozenset({DELIMITER, TILE_LIST, PADDING})
_BEGINS_DELIMITED = b"\x12\x00"  # a temporal delimiter
_EXTENDED, _SIZED = 0x04, 0x02  # flags of an OBU's header
_MAX_LEB128 = 8  # bytes
_MAX_ELEMENTS = 32  # of a packet: with more, it is malformed
_MAX_UNITS = 512  # of a picture: the rest is left out. A frame has 128 tile groups at most


class _CutError(Exception):
    """The data ends within a field."""


@dataclass(frozen=True, slots=True)
class _Elements:
    """A packet's OBU elements; the first continues the last packet's last, or the last goes on."""

    parts: list[bytes]
    continues: bool
    goes_on: bool
    begins_sequence: bool


def depacketize_av1(payload: bytes) -> Payload | None:
    """A packet's part of a temporal unit, which is a frame; None if it is malformed.

    Its data is the payload as it came: fragments become OBUs once they are together (`joined`).
    """
    try:
        elements = _read(payload)
    except _CutError:
        return None
    whole = elements.parts[elements.continues :]
    kinds = [part[0] >> 3 & 15 for part in whole]
    named = list(zip(kinds, whole, strict=True))
    header = next((part for kind, part in named if kind in (FRAME_HEADER, FRAME)), None)
    is_key = _is_key(header) if header is not None else None
    keyframe = is_key or (is_key is None and elements.begins_sequence and SEQUENCE in kinds)
    width = height = 0
    for kind, part in named:
        if kind == SEQUENCE:
            sequence = read_sequence(_body(part))
            if sequence is None:
                return None
            width, height = sequence
    used = next((k for k in kinds if k not in _USELESS), None)
    layer = _spatial_layer(header) if header is not None else 0
    resumes = elements.continues or used in (TILE_GROUP, REPEATED_HEADER) or layer > 0
    return Payload(
        data=payload,
        starts=not elements.continues,
        first=elements.begins_sequence and not elements.continues,
        keyframe=bool(keyframe),
        delta=is_key is False and layer == 0,
        width=width,
        height=height,
        resumes=resumes,
        closed=not elements.goes_on,
    )


def joined(parts: Iterable[Payload]) -> bytes:
    """A temporal unit's OBUs, each with its size, as the decoder wants them."""
    units = [_BEGINS_DELIMITED]
    pending: list[bytes] = []  # of an OBU in fragments
    for part in parts:
        if len(units) > _MAX_UNITS:
            break
        elements = _read(part.data)
        for index, element in enumerate(elements.parts):
            if index or not elements.continues:
                pending = [element]
            elif pending:
                pending.append(element)
            goes_on = elements.goes_on and index == len(elements.parts) - 1
            if pending and not goes_on:
                units.append(_sized(b"".join(pending)))
                pending = []
    return b"".join(units)


def _read(payload: bytes) -> _Elements:
    """The elements of a payload; raises _CutError where they are not whole, or there are none."""
    if len(payload) < 2:
        raise _CutError
    flags, at = payload[0], 1
    count = flags >> 4 & 3
    parts: list[bytes] = []
    while at < len(payload) and len(parts) <= _MAX_ELEMENTS:
        if count and len(parts) == count - 1:
            length = len(payload) - at  # the last of a known number has no length
        else:
            length, at = _leb128(payload, at)
        if length > len(payload) - at:
            raise _CutError
        if length:
            parts.append(payload[at : at + length])
        elif count:
            raise _CutError
        at += length
    if not parts or len(parts) > _MAX_ELEMENTS or (count and len(parts) != count):
        raise _CutError
    return _Elements(parts, bool(flags & 0x80), bool(flags & 0x40), bool(flags & 0x08))


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    """A number of 7 bits a byte, and where it ends."""
    value = 0
    for index in range(_MAX_LEB128):
        if at + index >= len(data):
            raise _CutError
        value |= (data[at + index] & 0x7F) << 7 * index
        if not data[at + index] & 0x80:
            return value, at + index + 1
    raise _CutError


def _written(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*found, value))


def _body(unit: bytes) -> bytes:
    """An OBU's data without header and size; what there is of it where it is a fragment."""
    at = 2 if unit[0] & _EXTENDED else 1
    if not unit[0] & _SIZED:
        return unit[at:]
    try:
        size, at = _leb128(unit, at)
    except _CutError:
        return b""
    return unit[at : at + size]


def _sized(unit: bytes) -> bytes:
    """An OBU with its size; nothing of one that the decoder does not need, or that has no end."""
    extended = bool(unit[0] & _EXTENDED)
    if unit[0] >> 3 & 15 in _USELESS or len(unit) < 1 + extended:
        return b""
    body = _body(unit)
    head = bytes([unit[0] | _SIZED]) + unit[1 : 1 + extended]
    return head + _written(len(body)) + body


def _is_key(unit: bytes) -> bool | None:
    """Whether a frame's OBU is of a key frame that is shown; None if it is cut short."""
    body = _body(unit)
    return body[0] & 0xF0 == 0x10 if body else None  # not an existing one, KEY_FRAME, shown


def _spatial_layer(unit: bytes) -> int:
    return unit[1] >> 3 & 3 if unit[0] & _EXTENDED and len(unit) > 1 else 0
