"""The discrete-event core: a simulated clock and the actions that are due on it.

The simulator runs on it, and so do the simulated worlds of the tests.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable

Action = Callable[[], None]


class EventQueue:
    """Runs actions in order of time; those due at the same time in the order they were added."""

    def __init__(self) -> None:
        self.now_ms = 0.0
        self._due: list[tuple[float, int, Action]] = []
        self._count = 0

    def at(self, due_ms: float, action: Action) -> None:
        """Schedules an action; one whose time has passed is due now."""
        self._count += 1
        heapq.heappush(self._due, (max(due_ms, self.now_ms), self._count, action))

    def after(self, delay_ms: float, action: Action) -> None:
        """Schedules an action `delay_ms` from now."""
        self.at(self.now_ms + delay_ms, action)

    def every(self, interval_ms: float, action: Action, first_ms: float = 0.0) -> None:
        """Schedules an action at `first_ms` and then at every interval, without end."""

        def repeat() -> None:
            action()
            self.after(interval_ms, repeat)

        self.at(first_ms, repeat)

    def run(self, until_ms: float = math.inf) -> None:
        """Runs all actions due by `until_ms`, where the clock then stands; without a limit, until
        none is left."""
        due = self._due
        while due and due[0][0] <= until_ms:
            self.now_ms, _, action = heapq.heappop(due)
            action()
        if until_ms < math.inf:
            self.now_ms = until_ms
