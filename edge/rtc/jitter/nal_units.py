"""H264's NAL units (ITU-T H.264, 7.3 and annex D): as much as assembling frames needs."""

from __future__ import annotations

START_CODE = b"\x00\x00\x00\x01"
SLICE, PARTITION_A, PARTITION_B, PARTITION_C, IDR, SEI, SPS, PPS, AUD = range(1, 10)
END_OF_SEQUENCE, END_OF_STREAM, FILLER = 10, 11, 12
PICTURE_KINDS = frozenset({SLICE, PARTITION_A, PARTITION_B, PARTITION_C, IDR})
_SLICE_HEADERS = frozenset({SLICE, PARTITION_A, IDR})
_RECOVERY_POINT = 6  # a payload type of SEI
# Ends, filler, auxiliary pictures and enhancement layers: nothing that the decoder would use.
_UNUSED = frozenset({0, END_OF_SEQUENCE, END_OF_STREAM, FILLER, 19, 20, 21, 22, 23})


def kind_of(unit: bytes) -> int:
    """A unit's nal_unit_type, by its first byte."""
    return unit[0] & 0x1F


def is_used(kind: int) -> bool:
    """Whether a unit of this kind is of use to the decoder."""
    return kind not in _UNUSED


def first_macroblock(kind: int, body: bytes) -> int | None:
    """first_mb_in_slice of a unit whose body, after the first byte, begins with `body`.

    None where it has no slice header or is cut short; 0 begins a picture.
    """
    if kind not in _SLICE_HEADERS or not body:
        return None
    return _exp_golomb(body, 0)[0]


def recovery_frames(unit: bytes) -> int | None:
    """recovery_frame_cnt of the recovery point in an SEI unit, None if there is none."""
    body = unit[1:].replace(b"\x00\x00\x03", b"\x00\x00")  # emulation prevention
    at = 0
    while at + 2 <= len(body) and body[at] != 0x80:
        kind, at = _sei_number(body, at)
        size, at = _sei_number(body, at)
        if kind == _RECOVERY_POINT:
            return _exp_golomb(body[at : at + size], 0)[0]
        at += size
    return None


def parameter_set_id(unit: bytes) -> tuple[int, int] | None:
    """(kind, id) of an SPS or PPS, None for anything else and for one cut short."""
    kind = kind_of(unit) if unit else 0
    at = {SPS: 4, PPS: 1}.get(kind)  # an SPS begins with profile, constraints and level
    if at is None or len(unit) <= at:
        return None
    identity, _ = _exp_golomb(unit[at : at + 4], 0)
    limit = 32 if kind == SPS else 256
    return (kind, identity) if identity is not None and identity < limit else None


def _sei_number(body: bytes, at: int) -> tuple[int, int]:
    """A payload type or size, and where it ends: bytes of 255 and one less (H.264, 7.3.2.3.1)."""
    value = 0
    while at < len(body):
        value += body[at]
        at += 1
        if body[at - 1] != 0xFF:
            break
    return value, at


def _exp_golomb(data: bytes, bit: int) -> tuple[int | None, int]:
    """An unsigned Exp-Golomb number and the bit after it (H.264, 9.1); None if it is cut short."""
    bits = int.from_bytes(data[:8], "big")
    size = 8 * min(8, len(data))
    zeros = 0
    while bit + zeros < size and not bits >> (size - 1 - bit - zeros) & 1:
        zeros += 1
    end = bit + 2 * zeros + 1
    if end > size:
        return None, size
    return (bits >> (size - end) & ((1 << (zeros + 1)) - 1)) - 1, end
