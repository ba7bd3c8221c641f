"""Which file of a clip a frame belongs into, and at which time of it. Pure.

A file holds one codec, one size and one clock: players need not cope with more.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.clips.frame import ClipFrame

_AHEAD_MS = 5000.0  # of a frame's timestamp before its arrival: beyond, it is of another clock
_BACK_MS = 1000.0  # between two frames: further back is another clock; less are B-frames
MAX_PARTS = 32  # of a clip, as a publisher may change its size with every frame
_HALF, _WHOLE = 1 << 31, 1 << 32


@dataclass(frozen=True, slots=True)
class Place:
    """`part` counts from 1; `ticks` of 90 kHz since the part's first frame."""

    part: int
    ticks: int


class PartSplitter:
    """Frames of one clip in the order of decoding, to places.

    A new part begins with a key frame of another codec, size or parameter sets, and with the first
    one after the timestamps have jumped, as they do with another source. Drop rule: all beyond
    `MAX_PARTS`.
    """

    def __init__(self) -> None:
        self._part = 0
        self._format: tuple[object, ...] = ()
        self._last_rtp = 0
        self._ticks = 0
        self._offset_ms = 0.0
        self._awaits_entry = True

    def place(self, frame: ClipFrame) -> Place | None:
        """None: it is of no use, as decoding cannot begin with it."""
        if self._part:
            self._follow(frame)
        if frame.is_entry:
            looks = (frame.codec, frame.width, frame.height, frame.header)
            if looks != self._format or self._awaits_entry:
                self._awaits_entry = True
                if self._part < MAX_PARTS:
                    self._begin(frame, looks)
        if self._awaits_entry or self._ticks < 0:
            return None
        return Place(self._part, self._ticks)

    def _begin(self, frame: ClipFrame, looks: tuple[object, ...]) -> None:
        self._part += 1
        self._format, self._last_rtp, self._ticks = looks, frame.rtp, 0
        self._offset_ms = -frame.received_ms
        self._awaits_entry = False

    def _follow(self, frame: ClipFrame) -> None:
        step = (frame.rtp - self._last_rtp + _HALF) % _WHOLE - _HALF
        self._ticks += step
        self._last_rtp = frame.rtp
        offset_ms = self._ticks / 90.0 - frame.received_ms
        if step / 90.0 < -_BACK_MS or offset_ms > self._offset_ms + _AHEAD_MS:
            self._awaits_entry = True
