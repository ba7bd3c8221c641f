"""Waiting before a step up, and how long a condition has held. Pure: times in ms are arguments."""

from math import inf

REVERSAL_MS = 15_000.0  # a step down this soon after a step up reverses it


class ConditionTimer:
    """For how long a condition has held."""

    __slots__ = ("_since_ms",)

    def __init__(self) -> None:
        self._since_ms: float | None = None

    def update(self, holds: bool, now_ms: float) -> float:
        """For how many ms the condition has held, with its value now; 0 if it doesn't hold."""
        if not holds:
            self._since_ms = None
            return 0.0
        if self._since_ms is None:
            self._since_ms = now_ms
        return now_ms - self._since_ms


class ExponentialBackoff:
    """The wait before a step up: twice as long after each step that had to be reversed."""

    __slots__ = ("_increased_ms", "_max_ms", "_min_ms", "wait_ms")

    def __init__(self, min_ms: float, max_ms: float) -> None:
        self.wait_ms = self._min_ms = min_ms
        self._max_ms = max_ms
        self._increased_ms = -inf

    @property
    def is_backing_off(self) -> bool:
        """Whether a step up was recently reversed."""
        return self.wait_ms > self._min_ms

    def reset(self) -> None:
        self.wait_ms = self._min_ms

    def increased(self, now_ms: float) -> None:
        """A step up; one long after the last is a fresh start."""
        if now_ms - self._increased_ms > REVERSAL_MS + 4.0 * self.wait_ms:
            self.reset()
        self._increased_ms = now_ms

    def decreased(self, now_ms: float) -> None:
        """A step down."""
        if now_ms - self._increased_ms < REVERSAL_MS:
            self.wait_ms = min(self._max_ms, 2.0 * self.wait_ms)
