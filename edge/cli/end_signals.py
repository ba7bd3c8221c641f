"""Ends the process on SIGINT and SIGTERM, also when its event loop does not answer any more."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import sys
import threading
from types import FrameType

STOP_S = 5.0  # from the first signal to the end, by force if need be
WRITE_S = 0.2  # for the last line; nobody may be reading it
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class EndSignals:
    """The first signal cancels `task`; a second one, or `stop_s`, ends the process without it.

    To be made in the main thread, by `task` itself. Python writes each signal's number to a pipe
    as it arrives (`signal.set_wakeup_fd`), and a thread waits there: neither needs the event loop.
    """

    def __init__(self, task: asyncio.Task[object], stop_s: float = STOP_S) -> None:
        self._task = task
        self._stop_s = stop_s
        self._loop = task.get_loop()
        self._received, arriving = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(arriving, warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, _ignore)  # a Python handler: only those reach the pipe
        threading.Thread(target=self._wait, name="end-signals", daemon=True).start()

    def _wait(self) -> None:
        self._next(None)
        with contextlib.suppress(RuntimeError):  # the loop has ended already
            self._loop.call_soon_threadsafe(self._task.cancel)
        second = self._next(self._stop_s)
        if second is None:
            _end(1, f"not stopped {self._stop_s:g} s after a signal: ended by force")
        else:
            _end(128 + second, "ended by a second signal")

    def _next(self, timeout_s: float | None) -> int | None:
        """The next signal; None if there was none within `timeout_s`."""
        if not select.select([self._received], [], [], timeout_s)[0]:
            return None
        return os.read(self._received, 1)[0]


def _ignore(number: int, frame: FrameType | None) -> None:
    """Nothing is to be done in the main thread, which may be stuck."""


def _end(status: int, reason: str) -> None:
    """Leave at once. Workers and ingest processes end with their parent."""
    if select.select([], [sys.stderr], [], WRITE_S)[1]:
        os.write(sys.stderr.fileno(), f"error: {reason}\n".encode())
    os._exit(status)
