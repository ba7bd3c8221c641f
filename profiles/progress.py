"""Progress of a long measurement, and the time left."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

_EVERY_S = 5.0  # where lines cannot be overwritten


class ProgressReport:
    """Lines on standard error, with the time left, extrapolated from the work done so far.

    `total` and all work are in any one unit.
    """

    def __init__(
        self,
        total: float,
        *,
        clock_s: Callable[[], float] = time.monotonic,
        write: Callable[[str], object] = sys.stderr.write,
        is_terminal: bool | None = None,
    ) -> None:
        self._total = total
        self._done = 0.0
        self._clock_s, self._write = clock_s, write
        self._is_terminal = sys.stderr.isatty() if is_terminal is None else is_terminal
        self._started_s = clock_s()
        self._wrote_s = -_EVERY_S

    @property
    def left_s(self) -> float | None:
        """Seconds left at the speed so far; None before the first step."""
        if not self._done:
            return None
        taken_s = self._clock_s() - self._started_s
        return taken_s / self._done * max(0.0, self._total - self._done)

    def step(self, work: float, text: str) -> None:
        """Report `work` as done; `text` describes it."""
        self._done += work
        left_s = self.left_s
        left = "" if left_s is None else f", {duration(left_s)} left"
        line = f"{self._done / max(self._done, self._total, 1e-9):4.0%}{left}: {text}"
        now_s = self._clock_s()
        if self._is_terminal:
            self._write(f"\r\033[K{line}")
        elif now_s - self._wrote_s >= _EVERY_S:
            self._wrote_s = now_s
            self._write(line + "\n")

    def skip(self, work: float) -> None:
        """Take `work` off the total: it is not needed."""
        self._total -= work

    def end(self) -> None:
        """Clear the progress line."""
        if self._is_terminal:
            self._write("\r\033[K")


def duration(seconds: float) -> str:
    """Seconds as `45 s` or `3 min 20 s`."""
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"
