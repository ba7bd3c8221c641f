"""A file to which whole lines are appended, rotated in time. Blocks: for a thread.

A line is in it whole or not at all, unless the process or the machine dies while it is written;
such a torn line is cut off when the file is next opened.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from pathlib import Path

from edge.sinks.files.rotation import SUFFIX, is_due, rotated_name, surplus

_BLOCK = 65_536
MODE = 0o640  # results may be personal data


class LineFile:
    """`NAME.jsonl` in a folder, and the rotated files beside it. Every method may raise OSError."""

    def __init__(
        self, folder: Path, name: str, *, max_bytes: int, max_age_s: float, files: int
    ) -> None:
        self._folder, self._name = folder, name
        self._path = folder / f"{name}{SUFFIX}"
        self._max_bytes, self._max_age_s, self._files = max_bytes, max_age_s, files
        self._fd: int | None = None
        self._begun_s = 0.0
        self.torn_bytes = 0
        """Of torn lines that were cut off, since the start."""

    def append(self, data: bytes) -> None:
        """Whole lines. After an error none of them is in the file, as far as the disk allows."""
        fd = self._open()
        if self._rotate_if_due(fd, len(data)):
            fd = self._open()
        before = os.fstat(fd).st_size
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(fd, before)
            self.close()  # if that failed, the torn line is cut off as it is opened again
            raise

    def maintain(self) -> None:
        """Open it, and rotate one that has become old without new lines."""
        self._rotate_if_due(self._open(), 0)

    def close(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.close(fd)

    def _open(self) -> int:
        """The descriptor; of a new file, where somebody has moved the old one away."""
        if self._fd is not None and not self._is_there(self._fd):
            self.close()
        if self._fd is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, MODE)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # two writers would tear lines
                self.torn_bytes += _cut_torn_line(fd)
                self._begun_s = _begun_s(fd)
            except OSError:
                os.close(fd)
                raise
            self._fd = fd
        return self._fd

    def _is_there(self, fd: int) -> bool:
        try:
            there, mine = os.stat(self._path), os.fstat(fd)
        except FileNotFoundError:
            return False
        return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)

    def _rotate_if_due(self, fd: int, more: int) -> bool:
        size, now_s = os.fstat(fd).st_size, time.time()
        age_s = now_s - self._begun_s
        if not is_due(size, more, age_s, max_bytes=self._max_bytes, max_age_s=self._max_age_s):
            if not size:
                self._begun_s = now_s
            return False
        target = self._folder / rotated_name(self._name, now_s, os.listdir(self._folder))
        os.rename(self._path, target)
        self.close()
        for name in surplus(self._name, os.listdir(self._folder), self._files):
            (self._folder / name).unlink(missing_ok=True)
        return True


def _cut_torn_line(fd: int) -> int:
    """Cut off what stands behind the last line's end; returns how many bytes that were."""
    size = end = os.fstat(fd).st_size
    while end > 0:
        begin = max(0, end - _BLOCK)
        found = os.pread(fd, end - begin, begin).rfind(b"\n")
        if found >= 0:
            end = begin + found + 1
            break
        end = begin
    if end < size:
        os.ftruncate(fd, end)
    return size - end


def _begun_s(fd: int) -> float:
    """When its first line was written, by the line itself; now, if it does not say."""
    now_s = time.time()
    try:
        line = os.pread(fd, _BLOCK, 0).partition(b"\n")[0]
        return min(now_s, float(json.loads(line)["at"]))
    except (ValueError, TypeError, KeyError):
        return now_s
