"""Logs: one line an event, as key=value or as JSON, with the session's name in each of its lines.

A thread of its own writes the lines, so that neither a full disk nor a terminal that nobody reads
delays the server or its end. A line that cannot be written is dropped and counted.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import select
import sys
import time
from collections.abc import Callable
from logging.handlers import (
    QueueHandler,
    QueueListener,
    RotatingFileHandler,
    WatchedFileHandler,
)
from pathlib import Path
from typing import Literal

from edge.base.event_log import get_contextvars
from edge.base.printable import printable

Format = Literal["text", "json"]
_Note = Callable[[], None]

QUEUE = 10_000  # lines not yet written; the newest is dropped, and counted
CLOSE_S = 0.5  # for what waits at the end; then only what is read at once is still written
NOISY = ("aiortc", "aioice", "asyncio")
REPEATING = ("aiortc", "aioice", "asyncio", "aiohttp")
REPEAT_S = 1.0  # a library's repeated error is written once in this time, with its count
REPEAT_KINDS = 256  # distinct errors that are remembered


class Logs:
    """The process's logging, from `__init__` to `close`; `lost` counts lines that were dropped."""

    def __init__(
        self,
        format: Format = "text",
        *,
        level: int = logging.INFO,
        file: Path | None = None,
        file_bytes: int | None = 10_000_000,
        files: int = 5,
    ) -> None:
        """Raises OSError if the file cannot be opened; lines that fail later are only counted.

        `file_bytes` None: another process writes to the file, too, and rotates it.
        """
        formatter = JsonFormatter() if format == "json" else TextFormatter()
        self.lost = 0
        stream = _Stream(self._note_lost)
        handlers: list[logging.Handler] = [stream]
        if file is not None:
            handlers.append(
                _SharedFile(file, self._note_lost)
                if file_bytes is None
                else _File(file, file_bytes, files, self._note_lost)
            )
        for handler in handlers:
            handler.setFormatter(formatter)
        lines: queue.Queue[logging.LogRecord] = queue.Queue(QUEUE)
        self._handler = _Queue(lines, self._note_lost)
        self._handler.addFilter(RepeatFilter())
        self._handlers = handlers
        self._listener = _Writer(lines, *handlers, give_up=stream.give_up)
        self._listener.start()
        self._levels = {name: logging.getLogger(name).level for name in ("", *NOISY)}
        root = logging.getLogger()
        root.setLevel(level)
        root.addHandler(self._handler)
        for noisy in NOISY:
            logging.getLogger(noisy).setLevel(logging.WARNING)

    def close(self) -> None:
        """Write the queued lines, as far as they are read within CLOSE_S, and end."""
        logging.getLogger().removeHandler(self._handler)
        for name, level in self._levels.items():
            logging.getLogger(name).setLevel(level)
        self._listener.stop()
        for handler in self._handlers:
            handler.close()

    def _note_lost(self) -> None:
        self.lost += 1


class _Queue(QueueHandler):
    def __init__(self, lines: queue.Queue[logging.LogRecord], note_lost: _Note) -> None:
        super().__init__(lines)
        self._note_lost = note_lost

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Format message and traceback now, since objects may change before the thread writes."""
        record.message = record.getMessage()
        record.msg, record.args = record.message, None
        record.session = get_contextvars().get("session", "")
        if record.exc_info:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
            record.exc_info = None  # it would keep every frame's variables alive
        return record

    def handleError(self, record: logging.LogRecord) -> None:
        self._note_lost()


class RepeatFilter(logging.Filter):
    """Drops a library's record if its like was written less than REPEAT_S ago; the next one that
    is written ends with the number of those dropped.

    Records are alike if they come from the same statement: a peer that provokes an error can
    choose its values, not its source.
    """

    def __init__(self) -> None:
        super().__init__()
        self._recent: dict[tuple[str, str, int], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] not in REPEATING:
            return True
        cause = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        key = (f"{record.name} {cause}", record.pathname, record.lineno)
        written_s, dropped = self._recent.pop(key, (float("-inf"), 0))
        if 0.0 <= record.created - written_s < REPEAT_S:
            self._recent[key] = (written_s, dropped + 1)
            return False
        self._recent[key] = (record.created, 0)
        if len(self._recent) > REPEAT_KINDS:
            del self._recent[next(iter(self._recent))]
        if dropped:
            record.msg, record.args = f"{record.getMessage()} (and {dropped} like it)", None
        return True


class _Writer(QueueListener):
    """The thread that writes. Python's listener would wait for its end without a limit."""

    def __init__(
        self,
        lines: queue.Queue[logging.LogRecord],
        *handlers: logging.Handler,
        give_up: Callable[[], None],
    ) -> None:
        super().__init__(lines, *handlers)
        self._give_up = give_up

    def enqueue_sentinel(self) -> None:
        lines: queue.Queue[object] = self.queue  # type: ignore[assignment]
        try:
            lines.put(None, timeout=CLOSE_S)
        except queue.Full:
            self._give_up()
            lines.put(None)

    def stop(self) -> None:
        if self._thread is not None:
            self.enqueue_sentinel()
            self._thread.join(CLOSE_S)
            self._give_up()
            self._thread.join()
            self._thread = None


class _Stream(logging.Handler):
    """Standard error, written to when it is writable, until `give_up`."""

    def __init__(self, note_lost: _Note) -> None:
        super().__init__()
        self._note_lost = note_lost
        self._stream = sys.stderr
        self._end = os.eventfd(0, os.EFD_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._end, select.POLLIN)
        self._fd: int | None = None  # None: a stream in memory, always writable
        with contextlib.suppress(OSError, AttributeError):
            self._fd = self._stream.fileno()
            self._poll.register(self._fd, select.POLLOUT)

    def give_up(self) -> None:
        """Wait no more: from now on a line that cannot be written at once is dropped."""
        os.eventfd_write(self._end, 1)

    def close(self) -> None:
        super().close()
        if self._end >= 0:
            os.close(self._end)
            self._end = -1

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._write(f"{self.format(record)}\n")
        except Exception:
            self.handleError(record)

    def _write(self, text: str) -> None:
        """Raises OSError when its reader is gone."""
        if self._fd is None:
            self._stream.write(text)
            return
        rest = text.encode("utf-8", "backslashreplace")
        while rest:
            if self._fd not in dict(self._poll.poll()):
                raise BrokenPipeError
            # So much never blocks a pipe that has room; one thread writes, so lines stay whole.
            rest = rest[os.write(self._fd, rest[: select.PIPE_BUF]) :]

    def handleError(self, record: logging.LogRecord) -> None:
        self._note_lost()


class _File(RotatingFileHandler):
    """A file that is rotated once it is full; a full disk costs lines and nothing else."""

    def __init__(self, file: Path, most_bytes: int, files: int, note_lost: _Note) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(file, maxBytes=most_bytes, backupCount=files - 1, encoding="utf-8")
        self._note_lost = note_lost

    def handleError(self, record: logging.LogRecord) -> None:
        self._note_lost()
        stream, self.stream = self.stream, None
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()  # its buffer is lost as well


class _SharedFile(WatchedFileHandler):
    """A file that another process rotates: it is opened anew once its name is that of another.

    Each line is one write to its end, so that lines of both stay whole.
    """

    def __init__(self, file: Path, note_lost: _Note) -> None:
        super().__init__(file, encoding="utf-8")
        self._note_lost = note_lost

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:  # it cannot be opened anew
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:
        self._note_lost()


class TextFormatter(logging.Formatter):
    """`2026-01-31T12:00:00.000Z INFO edge.session.registry event=... key=value`."""

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        session = getattr(record, "session", "")
        if session and "session" not in getattr(record, "event", {}):
            text += f" session={session}"
        text = " ".join(text.splitlines())
        if record.exc_text:
            text += f" trace={json.dumps(record.exc_text)}"
        return printable(f"{_time(record)} {record.levelname} {record.name} {text}")


class JsonFormatter(logging.Formatter):
    """One object a line: time, level, logger, and the event's own keys.

    A library's record, which is no event, has its text under `message`.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        line |= getattr(record, "event", None) or {"message": record.getMessage()}
        session = getattr(record, "session", "")
        if session:
            line.setdefault("session", session)
        if record.exc_text:
            line["trace"] = record.exc_text
        return printable(json.dumps(line, ensure_ascii=False), json.dumps)


def _time(record: logging.LogRecord) -> str:
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{moment}.{int(record.msecs):03d}Z"
