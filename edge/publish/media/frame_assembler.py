"""Frames from the parts in which FFmpeg hands over RTP without a parser. Pure: times are arguments.

FFmpeg's parser ends a frame only when it sees the next one's first byte, a frame interval too late.
Without it each RTP packet is a part with its frame's presentation time, and the marker that ends a
frame is lost. So a frame ends with the next one's first part, or when no further part has come for
a moment after a part that is not full, as the last of a NAL unit is. A full part is surely followed
by another, so after it no silence ends the frame. The moment follows cameras that send slice by
slice: it grows when a part comes for a frame that was ended.
"""

from __future__ import annotations

from dataclasses import dataclass

LULL_MS, MOST_LULL_MS = 3.0, 40.0
FULL_BYTES = 800  # the least that a full packet has; the source's own is learnt
_SPARE = 8  # bytes by which full packets may differ
MOST_BYTES = 8_000_000  # of a frame; a longer one is given up


@dataclass(frozen=True, slots=True)
class AssembledFrame:
    """A frame's bytes, presentation time and arrival (that of its last part), and the camera's own
    time of it."""

    data: bytes
    pts_ms: float
    arrival_ms: float
    camera_ms: float | None = None


class FrameAssembler:
    """Joins parts; a late part of a frame that was ended before makes a frame of its own, with the
    same presentation time."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._bytes = 0
        self._pts_ms = 0.0
        self._arrival_ms = 0.0
        self._camera_ms: float | None = None
        self._full = FULL_BYTES  # or the largest part so far
        self._lull_ms = LULL_MS
        self._ended: tuple[float, float] | None = None  # the last frame's pts and last arrival

    @property
    def due_ms(self) -> float | None:
        """When the frame ends unless a part comes before; None if only a part can end it."""
        if not self._parts or len(self._parts[-1]) + _SPARE >= self._full:
            return None
        return self._arrival_ms + self._lull_ms

    def add(
        self, part: bytes, pts_ms: float, arrival_ms: float, camera_ms: float | None
    ) -> AssembledFrame | None:
        """Take a part; the frame before, if this begins another."""
        ended = self.end() if self._parts and pts_ms != self._pts_ms else None
        if self._ended is not None and pts_ms == self._ended[0] and not self._parts:
            self._lull_ms = min(
                MOST_LULL_MS, max(self._lull_ms, 1.5 * (arrival_ms - self._ended[1]))
            )
        if self._bytes + len(part) > MOST_BYTES:
            self._parts, self._bytes = [], 0
        self._parts.append(part)
        self._bytes += len(part)
        self._full = max(self._full, len(part))
        self._pts_ms, self._arrival_ms = pts_ms, arrival_ms
        if camera_ms is not None:
            self._camera_ms = camera_ms
        return ended

    def end(self) -> AssembledFrame | None:
        """The frame that has begun."""
        if not self._parts:
            return None
        frame = AssembledFrame(
            b"".join(self._parts), self._pts_ms, self._arrival_ms, self._camera_ms
        )
        self._parts, self._bytes, self._camera_ms = [], 0, None
        self._ended = frame.pts_ms, frame.arrival_ms
        return frame
