"""Budgets of one publisher: events a second, and processor time. Pure: time is an argument."""

from __future__ import annotations


class TokenBucket:
    """Events at `rate_per_s` on average, and up to `burst` at once."""

    def __init__(self, rate_per_s: float, burst: float) -> None:
        self._rate_per_ms = rate_per_s / 1000.0
        self._burst = self._tokens = burst
        self._updated_ms: float | None = None

    def take(self, now_ms: float) -> bool:
        """Count one event; False, and not counted, where it is above the budget."""
        if self._updated_ms is not None:
            earned = self._rate_per_ms * max(0.0, now_ms - self._updated_ms)
            self._tokens = min(self._burst, self._tokens + earned)
        self._updated_ms = now_ms
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class ProcessorBudget:
    """A share of one core, averaged over about a second by a leaky bucket.

    Charges leak away at `share` seconds a second; the budget is exceeded once more than `share`
    seconds have not.
    """

    def __init__(self, share: float) -> None:
        self.share = share
        self._level_s = 0.0
        self._updated_ms: float | None = None

    def charge(self, used_s: float, now_ms: float) -> bool:
        """Add processor time; whether the budget is exceeded now."""
        self._leak(now_ms)
        self._level_s += used_s
        return self._level_s > self.share

    def is_strained(self, now_ms: float) -> bool:
        """Whether more than half of the budget is used."""
        self._leak(now_ms)
        return self._level_s > 0.5 * self.share

    def _leak(self, now_ms: float) -> None:
        if self._updated_ms is not None:
            leaked_s = self.share * max(0.0, now_ms - self._updated_ms) / 1000.0
            self._level_s = max(0.0, self._level_s - leaked_s)
        self._updated_ms = now_ms
