"""One encoded frame, as clips keep it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClipFrame:
    """A complete frame (an access unit), its bytes as a decoder takes them.

    `rtp` is the raw 32-bit timestamp (90 kHz), `received_ms` of the server's clock. `is_entry`:
    decoding may begin here; only such a frame has `width` and `height` (0: not known) and, for
    H264, `header`, its parameter sets with start codes.
    """

    rtp: int
    data: bytes
    is_entry: bool
    received_ms: float
    codec: str
    width: int = 0
    height: int = 0
    header: bytes = b""
