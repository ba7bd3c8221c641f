"""Frames for tests of what looks at no picture."""

from __future__ import annotations

from edge.clips.frame import ClipFrame


def frame(
    at_ms: float,
    *,
    entry: bool = False,
    size: int = 100,
    rtp: int | None = None,
    width: int = 160,
    codec: str = "vp8",
    header: bytes = b"",
) -> ClipFrame:
    """By default its timestamp is that of its arrival."""
    return ClipFrame(
        rtp=round(90 * at_ms) % (1 << 32) if rtp is None else rtp,
        data=bytes(size),
        is_entry=entry,
        received_ms=at_ms,
        codec=codec,
        width=width if entry else 0,
        height=120 if entry else 0,
        header=header,
    )
