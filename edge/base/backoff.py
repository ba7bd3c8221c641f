"""How long to wait before trying again. Pure, but for chance."""

from __future__ import annotations

import random

FIRST_S, MOST_S = 0.5, 30.0
_SPREAD = 0.25  # of the wait, at random: many publishers must not come back at once


class RetryWait:
    """Waits that double, from `first_s` to `most_s`, until something has worked."""

    def __init__(
        self,
        chance: random.Random | None = None,
        *,
        first_s: float = FIRST_S,
        most_s: float = MOST_S,
    ) -> None:
        self._chance = chance or random.Random()
        self._first_s, self._most_s = first_s, most_s
        self._wait_s = first_s

    def worked(self) -> None:
        """Begin with the shortest wait again."""
        self._wait_s = self._first_s

    def next_s(self, at_least_s: float | None = None) -> float:
        """The wait before the next attempt, not under the other side's wish (Retry-After)."""
        wait_s = self._wait_s
        self._wait_s = min(self._most_s, 2.0 * wait_s)
        return max(wait_s, at_least_s or 0.0) * (1.0 + self._chance.uniform(0.0, _SPREAD))
