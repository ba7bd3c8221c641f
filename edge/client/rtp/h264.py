"""H264 as bytes: NAL units of a byte stream, and their packets (RFC 6184). Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

SLICE, IDR, SEI, SPS, PPS, DELIMITER, FILLER = 1, 5, 6, 7, 8, 9, 12  # nal_unit_type
START_CODE = b"\x00\x00\x00\x01"
_FU_A = 28
_START = re.compile(b"\x00\x00\x01")


def nal_type(unit: bytes) -> int:
    """A unit's nal_unit_type."""
    return unit[0] & 0x1F


def units_of(stream: bytes) -> list[bytes]:
    """The NAL units of a byte stream (H264, annex B), without start codes and trailing zeros.

    What comes before the first start code is left out.
    """
    _, *units = _START.split(stream)
    return [unit for each in units if (unit := each.rstrip(b"\x00"))]


def units_of_configuration(configuration: bytes) -> tuple[list[bytes], int]:
    """(parameter sets, bytes of a length prefix) of codec extradata.

    Either an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1), or a byte stream, whose
    packets are byte streams too: then the prefix has 0 bytes.
    """
    if configuration[:1] != b"\x01" or len(configuration) < 7:
        return units_of(configuration), 0
    units, at = [], 5
    for mask in (0x1F, 0xFF):  # the numbers of SPS and of PPS
        count = configuration[at] & mask if at < len(configuration) else 0
        at += 1
        for _ in range(count):
            length = int.from_bytes(configuration[at : at + 2], "big")
            units.append(configuration[at + 2 : at + 2 + length])
            at += 2 + length
    return [unit for unit in units if unit], (configuration[4] & 3) + 1


def units_by_length(packet: bytes, prefix: int) -> list[bytes]:
    """The NAL units of a packet with length prefixes of so many bytes, the whole ones."""
    units, at = [], 0
    while at + prefix < len(packet):
        length = int.from_bytes(packet[at : at + prefix], "big")
        at += prefix
        if at + length > len(packet):
            break
        if length:
            units.append(packet[at : at + length])
        at += length
    return units


def byte_stream(units: Sequence[bytes]) -> bytes:
    """The units with start codes."""
    return b"".join(START_CODE + unit for unit in units)


def payloads(unit: bytes, most: int) -> list[bytes]:
    """A NAL unit's RTP payloads of at most so many bytes: alone, or as FU-A of about equal size."""
    if len(unit) <= most:
        return [unit]
    head, kind, body = unit[0] & 0xE0 | _FU_A, nal_type(unit), unit[1:]
    count = -(-len(body) // (most - 2))
    size = -(-len(body) // count)
    return [
        bytes((head, 0x80 * (at == 0) | 0x40 * (at + size >= len(body)) | kind))
        + body[at : at + size]
        for at in range(0, len(body), size)
    ]
