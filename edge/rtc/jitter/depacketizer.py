"""From RTP payloads to parts of frames, packet by packet: VP8 (RFC 7741), H264 (RFC 6184), ..."""

from __future__ import annotations

from collections.abc import Callable

from edge.rtc.jitter import nal_units
from edge.rtc.jitter.nal_units import AUD, IDR, SEI, SLICE, SPS, START_CODE
from edge.rtc.jitter.payloads.av1 import depacketize_av1
from edge.rtc.jitter.payloads.payload import Payload
from edge.rtc.jitter.payloads.vp9 import depacketize_vp9

__all__ = ["Payload", "depacketize"]

_STAP_A, _FU_A = 24, 28
_MAX_SINGLE = 23  # the highest kind of a payload that is one NAL unit


def depacketize(codec: str, payload: bytes) -> Payload | None:
    """A packet's part of a frame, None if it is malformed; `codec` is one of `CODECS`."""
    read = CODECS[codec]
    try:
        media = read(payload)
    except Exception:  # a mistake of ours costs the frame, not the session
        return None
    if media is not None:
        media.codec = codec
    return media


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
        resumes=not first,
    )


def _h264(payload: bytes) -> Payload | None:
    if not payload:
        return None
    kind = payload[0] & 0x1F
    if kind <= _MAX_SINGLE:
        # One byte is a whole unit where nothing follows the header: the end of a stream, say.
        if len(payload) < 2 and kind in nal_units.PICTURE_KINDS:
            return None
        return _whole_units([payload])
    if kind == _STAP_A:
        units = _aggregated(payload)
        return None if units is None else _whole_units(units)
    return _fragment(payload) if kind == _FU_A else None  # interleaved modes were not negotiated


def _aggregated(payload: bytes) -> list[bytes] | None:
    """The units of a STAP-A, without those of no length; None if it is cut short."""
    units = []
    at = 1
    while at < len(payload):
        length = int.from_bytes(payload[at : at + 2], "big")
        unit = payload[at + 2 : at + 2 + length]
        if len(unit) < length:
            return None
        if unit:
            units.append(unit)
        at += 2 + length
    return units


def _whole_units(units: list[bytes]) -> Payload:
    kinds = [nal_units.kind_of(unit) for unit in units]
    picture = [kind for kind in kinds if kind in nal_units.PICTURE_KINDS]
    slices = [
        at
        for kind, unit in zip(kinds, units, strict=True)
        if (at := nal_units.first_macroblock(kind, unit[1:9])) is not None
    ]
    recovery = (nal_units.recovery_frames(unit) for unit in units if unit[0] & 0x1F == SEI)
    return Payload(
        data=b"".join(
            START_CODE + unit
            for kind, unit in zip(kinds, units, strict=True)
            if nal_units.is_used(kind)
        ),
        starts=True,
        first=bool(kinds) and kinds[0] in (SPS, AUD),
        keyframe=IDR in picture,
        delta=SLICE in picture,
        droppable=any(unit[0] & 0x7F == SLICE for unit in units),  # nal_ref_idc 0
        picture=bool(picture),
        resumes=bool(picture) and 0 not in slices,
        slice_at=slices[-1] if slices else None,
        parameters=tuple(unit for unit in units if nal_units.parameter_set_id(unit) is not None),
        recovery=next((count for count in recovery if count is not None), None),
    )


def _fragment(payload: bytes) -> Payload | None:
    if len(payload) < 2:
        return None
    indicator, header = payload[0], payload[1]
    kind = header & 0x1F
    starts, ends = bool(header & 0x80), bool(header & 0x40)
    data = payload[2:]
    if not data and starts:
        return None  # later fragments may be empty: some senders cut before the last byte
    picture = kind in nal_units.PICTURE_KINDS
    slice_at = nal_units.first_macroblock(kind, data[:8]) if starts else None
    if starts:
        data = START_CODE + bytes((indicator & 0xE0 | kind,)) + data
    return Payload(
        data=data if nal_units.is_used(kind) else b"",
        starts=starts,
        first=starts and kind in (SPS, AUD),
        keyframe=kind == IDR,
        delta=kind == SLICE,
        droppable=kind == SLICE and not indicator & 0x60,
        picture=picture,
        resumes=picture and slice_at != 0,
        closed=ends,
        slice_at=slice_at,
    )


CODECS: dict[str, Callable[[bytes], Payload | None]] = {
    "vp8": _vp8,
    "h264": _h264,
    "vp9": depacketize_vp9,
    "av1": depacketize_av1,
}
