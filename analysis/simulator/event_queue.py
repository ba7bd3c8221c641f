"""The simulated clock and what is due when."""

from __future__ import annotations

import heapq
from collections.abc import Callable

Action = Callable[[], None]


class EventQueue:
    """Runs actions in order of time; those of one moment in the order in which they were set."""

    def __init__(self) -> None:
        self.now_ms = 0.0
        self._due: list[tuple[float, int, Action]] = []
        self._count = 0

    def at(self, when_ms: float, action: Action) -> None:
        """Have something happen at a time; what should have happened already happens now."""
        self._count += 1
        heapq.heappush(self._due, (max(when_ms, self.now_ms), self._count, action))

    def run(self) -> None:
        """Until nothing is due any more."""
        due = self._due
        while due:
            self.now_ms, _, action = heapq.heappop(due)
            action()
