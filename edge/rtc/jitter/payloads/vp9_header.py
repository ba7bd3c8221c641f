"""The beginning of a VP9 frame's uncompressed header (bitstream specification, section 6.2)."""

from __future__ import annotations

from dataclasses import dataclass

from edge.rtc.jitter.payloads.bits import Bits

_SYNC = 0x498342
_RGB = 7
_READ_BYTES = 24  # more than the part that is read has


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """What a receiver needs: `refreshes` has a bit for each of the eight references that the frame
    replaces; width and height are 0 where the frame has those of a reference."""

    keyframe: bool
    refreshes: int
    width: int = 0
    height: int = 0


def read_header(data: bytes) -> FrameHeader | None:
    """The header at the beginning of `data`; None if it is malformed."""
    try:
        return _read(Bits(data[:_READ_BYTES]))
    except ValueError:
        return None


def _read(bits: Bits) -> FrameHeader:
    if bits.take(2) != 2:
        raise ValueError("no frame marker")
    profile = bits.take(1) | bits.take(1) << 1
    if profile == 3 and bits.take(1):
        raise ValueError("a reserved profile")
    if bits.take(1):  # shows an existing frame
        bits.take(3)
        return FrameHeader(keyframe=False, refreshes=0)
    keyframe, shown, resilient = not bits.take(1), bits.take(1), bits.take(1)
    if keyframe:
        _sync(bits)
        _color(bits, profile)
        return FrameHeader(True, 0xFF, *_size(bits))
    intra = 0 if shown else bits.take(1)
    if not resilient:
        bits.take(2)  # reset_frame_context
    if intra:
        _sync(bits)
        if profile > 0:
            _color(bits, profile)
        refreshes = bits.take(8)
        return FrameHeader(False, refreshes, *_size(bits))
    refreshes = bits.take(8)
    bits.take(12)  # three references and their sign biases
    found = any(bits.take(1) for _ in range(3))
    return FrameHeader(False, refreshes, *((0, 0) if found else _size(bits)))


def _sync(bits: Bits) -> None:
    if bits.take(24) != _SYNC:
        raise ValueError("no sync code")


def _color(bits: Bits, profile: int) -> None:
    if profile >= 2:
        bits.take(1)  # bit depth
    if bits.take(3) != _RGB:
        bits.take(1)
        if profile in (1, 3):
            bits.take(3)
    elif profile in (1, 3):
        bits.take(1)
    else:
        raise ValueError("RGB in 4:2:0")


def _size(bits: Bits) -> tuple[int, int]:
    width = bits.take(16) + 1
    return width, bits.take(16) + 1
