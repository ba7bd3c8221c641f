"""The thread of a process that writes clips, so that a slow or dead disk holds up no frame."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from edge.base.event_log import get_logger
from edge.clips import folder
from edge.clips.clip_files import ClipFiles
from edge.clips.counts import ClipCounts, ClipEnd
from edge.clips.frame import ClipFrame
from edge.clips.recorder import Clip
from edge.clips.settings import ClipSettings

log = get_logger("edge.clips")


@dataclass(slots=True)
class _Finish:
    """In the queue: the clip has all its frames."""


_Work = tuple[Clip, ClipFrame | _Finish]


class ClipWriter:
    """Implements `edge.clips.recorder.ClipSink`; no method but `stop` waits.

    Queue: frames of `queue_bytes` at most. Drop rule: a frame for which there is no room, and those
    of its clip up to the next key frame, which refer to it. Clips: `at_once`, then new ones are
    refused.
    """

    def __init__(self, settings: ClipSettings) -> None:
        self.settings = settings
        self._lock = threading.Condition()
        self._queue: deque[_Work] = deque()  # bounded by _bytes, and one end for each open clip
        self._bytes = 0
        self._open: dict[str, ClipFiles | None] = {}  # None: it has failed
        self._torn: set[str] = set()  # clips of which a frame was dropped
        self._refusing = False  # the last clip was refused
        self._unswept = settings.max_bytes  # bytes written since the folder was looked through
        self._overflowing = 0  # frames dropped since the burst began
        self._counts = ClipCounts()
        self._unreported = 0  # lost clips that no description has told yet
        self._error: str | None = None
        self._stopping = False
        self._thread: threading.Thread | None = None  # from the first clip on

    # On the event loop

    def begin(self, clip: Clip) -> bool:
        with self._lock:
            full = len(self._open) >= self.settings.at_once
            refused = self._stopping or full or clip.name in self._open
            begins, self._refusing = refused and not self._refusing, refused
            if refused:
                self._counts.ends["refused"] += 1
                self._unreported += 1
            else:
                self._open[clip.name] = ClipFiles(self.settings.folder, clip)
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="clips", daemon=True)
                    self._thread.start()
        if begins:  # once a burst
            log.warning("clips_refused", clip=clip.name, at_once=self.settings.at_once)
        return not refused

    def write(self, clip: Clip, frame: ClipFrame) -> None:
        size = len(frame.data)
        with self._lock:
            torn = clip.name in self._torn and not frame.is_entry
            if torn or self._bytes + size > self.settings.queue_bytes:
                self._torn.add(clip.name)
                self._counts.frames_lost["queue"] += 1
                self._overflowing += 1
                begins = self._overflowing == 1
            else:
                begins = False
                self._torn.discard(clip.name)
                self._put((clip, frame), size)
        if begins:  # once a burst
            log.warning("clips_queue_full", clip=clip.name)

    def finish(self, clip: Clip) -> None:
        with self._lock:
            self._torn.discard(clip.name)
            self._put((clip, _Finish()), 0)

    def take_counts(self) -> ClipCounts:
        """The counts since the last call."""
        with self._lock:
            counts, self._counts = self._counts, ClipCounts()
            return counts

    def stop(self, within_s: float) -> None:
        """Write what waits, as far as that takes no longer; the rest is counted as left."""
        with self._lock:
            self._stopping = True
            self._lock.notify()
        if self._thread is not None:
            self._thread.join(within_s)
        with self._lock:
            self._counts.ends["left"] += len(self._open)
            if self._open:
                log.warning("clips_left", clips=len(self._open))

    def _put(self, work: _Work, size: int) -> None:
        self._queue.append(work)
        self._bytes += size
        self._lock.notify()

    # On the thread

    def _run(self) -> None:
        while (work := self._next()) is not None:
            clip, what = work
            files = self._open[clip.name]
            try:
                if isinstance(what, _Finish):
                    self._finish(clip, files)
                elif files is not None:
                    files.add(what)
                else:
                    self._lose_frame()
            except Exception as error:  # of the disk or of libav: one clip's
                self._fail(clip, files, error)
                if isinstance(what, _Finish):
                    self._end(clip, "failed")

    def _next(self) -> _Work | None:
        with self._lock:
            while not self._queue:
                if self._stopping:
                    return None
                if self._overflowing:
                    log.info("clips_queue_works", frames_lost=self._overflowing)
                    self._overflowing = 0
                self._lock.wait()
            work = self._queue.popleft()
            if isinstance(work[1], ClipFrame):
                self._bytes -= len(work[1].data)
            return work

    def _finish(self, clip: Clip, files: ClipFiles | None) -> None:
        if files is None:
            self._end(clip, "failed")
            return
        files.lost_before = self._unreported
        files.finish()
        if not files.written:
            self._end(clip, "empty")
            return
        if self._error is not None:
            log.info("clips_work", clip=clip.name)
            self._error = None
        self._make_room(files.bytes)
        self._end(clip, "written")

    def _make_room(self, written: int) -> None:
        """Look through the folder, at first and once it may have grown by a part of its bound."""
        bound = self.settings.max_bytes
        self._unswept += written
        if self._unswept < bound // 100:
            return
        try:
            deleted = folder.make_room(self.settings.folder, bound - bound // 50)
        except OSError as error:
            log.warning("clips_not_deleted", reason=_reason(error))
            return
        self._unswept = 0
        with self._lock:
            self._counts.deleted += deleted

    def _fail(self, clip: Clip, files: ClipFiles | None, error: Exception) -> None:
        frames = 0 if files is None else files.discard()
        with self._lock:
            self._open[clip.name] = None
            self._counts.frames_lost["disk"] += frames
        if self._error is None:  # once for a time of failures
            known = isinstance(error, OSError)
            log.warning("clips_failing", clip=clip.name, reason=_reason(error), exc_info=not known)
        self._error = _reason(error)

    def _lose_frame(self) -> None:
        with self._lock:
            self._counts.frames_lost["disk"] += 1

    def _end(self, clip: Clip, end: ClipEnd) -> None:
        with self._lock:
            files = self._open.pop(clip.name)
            self._counts.ends[end] += 1
            if end == "written" and files is not None:
                self._unreported -= files.lost_before
            else:
                self._unreported += 1


def _reason(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) else str(error)
    return text or type(error).__name__
