"""One Matroska file: frames in, as they were received, with their times."""

from __future__ import annotations

import os
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av

from edge.clips.frame import ClipFrame

_MS = Fraction(1, 1000)  # Matroska's own unit
_BEFORE_ALL = -1_000_000_000  # decoding times: only their order matters, and Matroska has none
_TICKS_PER_MS = 90


class MatroskaFile:
    """OSError, or what libav makes of it, from any method: then call `discard`."""

    def __init__(self, path: Path, first: ClipFrame) -> None:
        """Made anew, for its owner alone; what stands there must go first."""
        self._path = path
        self.frames = self.duration_ms = 0
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
        options = {"avoid_negative_ts": "disabled", "flush_packets": "0"}
        try:
            opened = av.open(str(path), "w", format="matroska", options=options)
            self._container = cast(Any, opened)  # its stubs know no extradata of a stream
            self._stream = self._container.add_mux_stream(
                first.codec, width=first.width or 16, height=first.height or 16, time_base=_MS
            )
            if first.header:
                self._stream.extradata = first.header
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def add(self, frame: ClipFrame, ticks: int) -> None:
        """`ticks` of 90 kHz since the first frame; pictures out of order (B-frames) may go back."""
        packet = av.Packet(frame.data)
        packet.stream, packet.time_base = self._stream, _MS
        packet.pts = (ticks + _TICKS_PER_MS // 2) // _TICKS_PER_MS
        packet.dts = _BEFORE_ALL + self.frames
        packet.is_keyframe = frame.is_entry
        self.frames += 1
        self._container.mux(packet)
        self.duration_ms = max(self.duration_ms, packet.pts)

    def close(self) -> int:
        """Its size in bytes."""
        self._container.close()
        return self._path.stat().st_size

    def discard(self) -> None:
        """Best effort: a file of which a part is missing is of no use."""
        with suppress(OSError, ValueError):
            self._container.close()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
