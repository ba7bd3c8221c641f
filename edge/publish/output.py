"""What the command writes: JSON lines on standard output, lines for people on standard error."""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from edge.base.printable import printable
from edge.client.clocks import unix_ms
from edge.client.frame_outcomes import PublishedFrame
from edge.publish.totals import Totals

MOST_LINES = 1_000  # that the reader of standard output has not taken; further ones are dropped
_END_S = 2.0


class JsonLines:
    """Writes lines in a thread of its own, so that a slow reader delays no frame.

    `on_broken()` is called in that thread when the reader has gone.
    """

    def __init__(self, on_broken: Callable[[], None], stream: TextIO | None = None) -> None:
        self.dropped = 0
        self._stream = stream or sys.stdout
        self._on_broken = on_broken
        self._queue: queue.Queue[str | None] = queue.Queue(MOST_LINES)
        self._thread = threading.Thread(target=self._run, name="json-lines", daemon=True)
        self._thread.start()

    def write(self, value: Mapping[str, Any]) -> None:
        """Queue a line; it is dropped while the reader is too far behind."""
        try:
            self._queue.put_nowait(json.dumps(value, separators=(",", ":")))
        except queue.Full:
            self.dropped += 1

    def close(self) -> None:
        """Write what is queued, unless the reader does not take it."""
        try:
            self._queue.put(None, timeout=_END_S)
        except queue.Full:
            return
        self._thread.join(_END_S)

    def _run(self) -> None:
        try:
            while (line := self._queue.get()) is not None:
                self._stream.write(line + "\n")
                if self._queue.empty():
                    self._stream.flush()
            self._stream.flush()
        except (BrokenPipeError, ValueError):
            if self._stream is sys.stdout:  # what it holds must not be written at the end either
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            self._on_broken()


class SourceOutput:
    """One source's lines."""

    def __init__(self, name: str, lines: JsonLines | None) -> None:
        self.name = name
        self._lines = lines

    def say(self, text: str) -> None:
        """A line for people; the server, which may be anybody's, chose parts of it."""
        print(printable(f"{self.name}: {text}"), file=sys.stderr, flush=True)

    def state(self, state: str, **fields: object) -> None:
        """A change of state, as a JSON line."""
        self._write({"type": state, **fields})

    def result(self, received: Mapping[str, Any], frame: PublishedFrame | None) -> None:
        """A `detections` or `dropped` message, with what is known about its frame here."""
        if self._lines is None:
            return
        fields = dict(received)
        if frame is not None:
            fields["captured_ms"] = round(frame.captured_ms, 1)
            fields["outcome"] = frame.outcome
            fields["size"] = frame.size
            if frame.latency_ms is not None:
                fields["latency_ms"] = round(frame.latency_ms, 1)
        self._write(fields)

    def summary(self, totals: Totals) -> None:
        """The last lines of a source."""
        self.say(f"ended: {totals.line()}")
        self._write({"type": "summary", **totals.to_json()})

    def _write(self, fields: Mapping[str, Any]) -> None:
        if self._lines is not None:
            self._lines.write({"source": self.name, "at_ms": round(unix_ms(), 1), **fields})
