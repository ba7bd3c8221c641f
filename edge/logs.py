"""Logs: one line an event, as key=value or as JSON, with the session's name in each of its lines.

Lines are written by a thread of their own, so that neither a full disk nor a terminal that nobody
reads holds up the server. What cannot be written is counted and let go.
"""

from __future__ import annotations

import contextlib
import contextvars
import json
import logging
import queue
import re
import sys
import time
from collections.abc import Callable, Iterator
from logging.handlers import QueueHandler, QueueListener, RotatingFileHandler
from pathlib import Path
from typing import Literal

Format = Literal["text", "json"]
_Note = Callable[[], None]

QUEUE = 10_000  # lines not yet written; the newest is dropped, and counted
NOISY = ("aiortc", "aioice", "asyncio")

_session: contextvars.ContextVar[str] = contextvars.ContextVar("edge_session", default="")
_PAIR = re.compile(r"""(\w+)=('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\S*)(?:\s+|$)""")
_NUMBER = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
_ESCAPED = re.compile(r"\\(['\"\\])")


@contextlib.contextmanager
def of_session(name: str) -> Iterator[None]:
    """Lines from here, and from every callback and task that begins here, are this session's."""
    token = _session.set(name)
    try:
        yield
    finally:
        _session.reset(token)


class Logs:
    """The process' logging, from `__init__` to `close`. `lost` counts lines that were let go."""

    def __init__(
        self,
        format: Format = "text",
        *,
        level: int = logging.INFO,
        file: Path | None = None,
        file_bytes: int = 10_000_000,
        files: int = 5,
    ) -> None:
        """OSError if the file can't be opened at all; later trouble with it is only counted."""
        formatter = JsonFormatter() if format == "json" else TextFormatter()
        self.lost = 0
        handlers: list[logging.Handler] = [_Stream(self._note_lost)]
        if file is not None:
            handlers.append(_File(file, file_bytes, files, self._note_lost))
        for handler in handlers:
            handler.setFormatter(formatter)
        lines: queue.Queue[logging.LogRecord] = queue.Queue(QUEUE)
        self._handler = _Queue(lines, self._note_lost)
        self._handlers = handlers
        self._listener = QueueListener(lines, *handlers)
        self._listener.start()
        root = logging.getLogger()
        root.setLevel(level)
        root.addHandler(self._handler)
        for noisy in NOISY:
            logging.getLogger(noisy).setLevel(logging.WARNING)

    def close(self) -> None:
        """Write what waits, and end."""
        logging.getLogger().removeHandler(self._handler)
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
        """Now, since what it tells of may change; the formatter does the rest in the thread."""
        record.message = record.getMessage()
        record.msg, record.args = record.message, None
        record.session = _session.get()
        if record.exc_info:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
            record.exc_info = None  # it would keep every frame's variables alive
        return record

    def handleError(self, record: logging.LogRecord) -> None:
        self._note_lost()


class _Stream(logging.StreamHandler):  # type: ignore[type-arg]  # not generic at run time
    def __init__(self, note_lost: _Note) -> None:
        super().__init__(sys.stderr)
        self._note_lost = note_lost

    def handleError(self, record: logging.LogRecord) -> None:
        self._note_lost()


class _File(RotatingFileHandler):
    """A file that makes way for the next once it is full; a disk that is full costs lines alone."""

    def __init__(self, file: Path, most_bytes: int, files: int, note_lost: _Note) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(file, maxBytes=most_bytes, backupCount=files - 1, encoding="utf-8")
        self._note_lost = note_lost

    def handleError(self, record: logging.LogRecord) -> None:
        self._note_lost()
        stream, self.stream = self.stream, None
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()  # what it still holds is lost as well


class TextFormatter(logging.Formatter):
    """`2026-01-31T12:00:00.000Z INFO edge.sessions event=... key=value`."""

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        session = getattr(record, "session", "")
        if session and " session=" not in f" {text}":
            text += f" session={session}"
        text = " ".join(text.splitlines())
        if record.exc_text:
            text += f" trace={json.dumps(record.exc_text)}"
        return f"{_time(record)} {record.levelname} {record.name} {text}"


class JsonFormatter(logging.Formatter):
    """One object a line: time, level, logger, and the event's own keys; `message` for prose."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        text = record.getMessage()
        pairs = read_pairs(text)
        line.update({"message": text} if pairs is None else pairs)
        session = getattr(record, "session", "")
        if session:
            line.setdefault("session", session)
        if record.exc_text:
            line["trace"] = record.exc_text
        return json.dumps(line, ensure_ascii=False)


def read_pairs(text: str) -> dict[str, str | float] | None:
    """`key=value key='quoted value'` as a dict, numbers as numbers; None for other text."""
    pairs: dict[str, str | float] = {}
    at = 0
    while at < len(text):
        match = _PAIR.match(text, at)
        if match is None:
            return None
        key, value = match.groups()
        pairs[key] = value if key == "session" else _value(value)
        at = match.end()
    return pairs or None


def _value(text: str) -> str | float:
    if text[:1] in ("'", '"') and text[-1:] == text[:1] and len(text) > 1:
        return _ESCAPED.sub(r"\1", text[1:-1])
    if not _NUMBER.fullmatch(text):
        return text
    return float(text) if "." in text else int(text)


def _time(record: logging.LogRecord) -> str:
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{moment}.{int(record.msecs):03d}Z"
