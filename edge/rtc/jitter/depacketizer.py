"""From RTP payloads to parts of frames: VP8 (RFC 7741) and H264 (RFC 6184), packet by packet."""

from __future__ import annotations

from dataclasses import dataclass

_START_CODE = b"\x00\x00\x00\x01"
_SLICE, _IDR, _SPS, _AUD = 1, 5, 7, 9
_STAP_A, _FU_A = 24, 28


@dataclass(slots=True)
class Payload:
    """One packet's part of a frame.

    `data` is for the decoder. `starts` means that a frame may begin here, `first` that one
    certainly does. `keyframe` marks a packet that only key frames have, `delta` one that they never
    have. `droppable`: no other frame refers to this one. `width` and `height` are known in a VP8
    key frame's first packet, else 0.
    """

    data: bytes
    starts: bool
    first: bool
    keyframe: bool
    delta: bool
    droppable: bool = False
    width: int = 0
    height: int = 0


def depacketize(codec: str, payload: bytes) -> Payload | None:
    """A packet's part of a frame, None if it is malformed; `codec` is "vp8" or "h264"."""
    return _vp8(payload) if codec == "vp8" else _h264(payload)


def _vp8(payload: bytes) -> Payload | None:
    size, at = len(payload), 1
    if size < 2:
        return None
    head = payload[0]
    if head & 0x80:
        extension = payload[1]
        at = 2
        if extension & 0x80:
            if at >= size:
                return None
            at += 2 if payload[at] & 0x80 else 1  # a picture id of 15 or 7 bits
        at += bool(extension & 0x40) + bool(extension & 0x30)  # TL0PICIDX, TID/KEYIDX
    data = payload[at:]
    if not data:
        return None
    first = bool(head & 0x10) and head & 0x07 == 0
    keyframe = first and data[0] & 1 == 0
    width = height = 0
    if keyframe:
        if len(data) < 10 or data[3:6] != b"\x9d\x01\x2a":  # RFC 6386, section 9.1
            return None
        width = int.from_bytes(data[6:8], "little") & 0x3FFF
        height = int.from_bytes(data[8:10], "little") & 0x3FFF
    return Payload(
        data=data,
        starts=first,
        first=first,
        keyframe=keyframe,
        delta=first and not keyframe,
        droppable=bool(head & 0x20),
        width=width,
        height=height,
    )


def _h264(payload: bytes) -> Payload | None:
    if len(payload) < 2:
        return None
    head = payload[0]
    kind = head & 0x1F
    if 0 < kind < 24:
        units = [payload]
    elif kind == _STAP_A:
        units = []
        at = 1
        while at < len(payload):
            length = int.from_bytes(payload[at : at + 2], "big")
            unit = payload[at + 2 : at + 2 + length]
            if not length or len(unit) < length:
                return None
            units.append(unit)
            at += 2 + length
    elif kind == _FU_A:
        fragment = payload[1]
        unit_kind = fragment & 0x1F
        starts = bool(fragment & 0x80)
        data = payload[2:]
        if not data:
            return None
        if starts:
            data = _START_CODE + bytes((head & 0xE0 | unit_kind,)) + data
        return Payload(
            data=data,
            starts=starts,
            first=starts and unit_kind in (_SPS, _AUD),
            keyframe=unit_kind == _IDR,
            delta=unit_kind == _SLICE,
            droppable=unit_kind == _SLICE and not head & 0x60,
        )
    else:
        return None  # interleaved modes were not negotiated
    kinds = [unit[0] & 0x1F for unit in units]
    return Payload(
        data=b"".join(_START_CODE + unit for unit in units),
        starts=True,
        first=kinds[0] in (_SPS, _AUD),
        keyframe=_IDR in kinds,
        delta=_SLICE in kinds,
        droppable=any(unit[0] & 0x7F == _SLICE for unit in units),  # nal_ref_idc 0
    )
