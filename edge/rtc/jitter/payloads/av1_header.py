"""The largest picture of an AV1 sequence header (bitstream specification, section 5.5)."""

from __future__ import annotations

from edge.rtc.jitter.payloads.bits import Bits

_READ_BYTES = 512  # more than 32 operating points take


def read_sequence(body: bytes) -> tuple[int, int] | None:
    """(width, height) from a sequence header's data; None if that is malformed."""
    try:
        return _read(Bits(body[:_READ_BYTES]))
    except ValueError:
        return None


def _read(bits: Bits) -> tuple[int, int]:
    bits.take(4)  # profile, still picture
    if bits.take(1):  # reduced
        bits.take(5)
    else:
        _operating_points(bits)
    width_bits, height_bits = bits.take(4) + 1, bits.take(4) + 1
    width = bits.take(width_bits) + 1
    return width, bits.take(height_bits) + 1


def _operating_points(bits: Bits) -> None:
    delay_bits = 0
    if bits.take(1):  # timing
        bits.take(64)
        if bits.take(1):
            bits.skip_uvlc()
        if bits.take(1):  # a decoder model
            delay_bits = bits.take(5) + 1
            bits.take(42)
    has_display_delay = bits.take(1)
    for _ in range(bits.take(5) + 1):
        bits.take(12)
        if bits.take(5) > 7:
            bits.take(1)
        if delay_bits and bits.take(1):
            bits.take(2 * delay_bits + 1)
        if has_display_delay and bits.take(1):
            bits.take(4)
