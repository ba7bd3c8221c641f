"""How much one publisher may send. Pure: time is an argument, in ms."""

from __future__ import annotations

from typing import Literal


class Allowance:
    """So many messages in each second; `take` says pass, refuse (once a second), or ignore."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._since_ms = float("-inf")
        self._used = 0

    def take(self, now_ms: float) -> Literal["pass", "refuse", "ignore"]:
        if now_ms - self._since_ms >= 1000.0:
            self._since_ms, self._used = now_ms, 0
        self._used += 1
        if self._used <= self._limit:
            return "pass"
        return "refuse" if self._used == self._limit + 1 else "ignore"


class Pacer:
    """Thins frames to the rate asked for, with some room for jitter: a fifth, and bursts of four.

    The generic cell rate algorithm (ITU-T I.371, in its form as virtual scheduling).
    """

    ROOM = 1.2
    BURST = 4

    def __init__(self) -> None:
        self._due_ms = float("-inf")

    def admits(self, fps: float, now_ms: float) -> bool:
        """Whether a frame that comes now is within `fps`; one that is not leaves no trace."""
        interval_ms = 1000.0 / (self.ROOM * fps)
        if now_ms < self._due_ms - (self.BURST - 0.5) * interval_ms:
            return False
        self._due_ms = max(self._due_ms, now_ms) + interval_ms
        return True
