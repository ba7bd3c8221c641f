"""One clip's files on the disk: its parts, each with a description beside it."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from edge.clips import folder
from edge.clips.frame import ClipFrame
from edge.clips.matroska import MatroskaFile
from edge.clips.names import DESCRIPTION, UNFINISHED, VIDEO, part_name
from edge.clips.parts import PartSplitter
from edge.clips.recorder import Clip


class ClipFiles:
    """All methods may raise OSError; `discard` then takes back the part being written."""

    def __init__(self, where: Path, clip: Clip) -> None:
        self._folder, self._clip = where, clip
        self.lost_before = 0
        """Clips lost since the last description that told of some."""
        self._parts = PartSplitter()
        self._file: MatroskaFile | None = None
        self._part = 0
        self._first: ClipFrame | None = None
        self.written = 0
        """Parts that are whole."""
        self.bytes = 0
        """Of these."""

    def add(self, frame: ClipFrame) -> None:
        place = self._parts.place(frame)
        if place is None:
            return
        if place.part != self._part:
            self._end_part()
            self._part, self._first = place.part, frame
            folder.prepare(self._folder)
            self._file = MatroskaFile(self._path(VIDEO + UNFINISHED), frame)
        assert self._file is not None, "a part begins with its file"
        self._file.add(frame, place.ticks)

    def finish(self) -> None:
        self._end_part()

    def discard(self) -> int:
        """How many frames are lost with the part that was being written, the last one included."""
        file, self._file = self._file, None
        if file is None:
            return 1
        file.discard()
        with suppress(OSError):
            self._path(DESCRIPTION).unlink(missing_ok=True)
        return file.frames

    def _path(self, ending: str) -> Path:
        return self._folder / (part_name(self._clip.name, self._part) + ending)

    def _end_part(self) -> None:
        if self._file is None:
            return
        size = self._file.close()
        video = self._path(VIDEO)
        folder.write_description(self._path(DESCRIPTION), self._description(video.name, size))
        folder.publish(self._path(VIDEO + UNFINISHED))
        self._file = None
        self.written += 1
        self.bytes += size

    def _description(self, video: str, size: int) -> str:
        clip, first, file = self._clip, self._first, self._file
        assert first is not None
        assert file is not None
        begin_s = clip.clock_s + first.received_ms / 1000.0
        text = json.dumps(
            {
                "clip": clip.name,
                "part": self._part,
                "file": video,
                "session": clip.session,
                "label": clip.label,
                "begin": round(begin_s, 3),
                "end": round(begin_s + file.duration_ms / 1000.0, 3),
                "first_rtp": first.rtp,
                "codec": first.codec,
                "width": first.width,
                "height": first.height,
                "frames": file.frames,
                "bytes": size,
                "lost_before": self.lost_before,
                "more_events": clip.more_events,
                "events": clip.events,
            },
            indent=1,
        )
        return text + "\n"
