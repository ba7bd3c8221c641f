"""How long something has held, and how long to wait before trying again."""

from math import inf

REGRET_MS = 15_000.0  # a step down this soon after a step up takes it back


class ConditionTimer:
    """For how long something has been so."""

    __slots__ = ("_from_ms",)

    def __init__(self) -> None:
        self._from_ms: float | None = None

    def ms(self, holds: bool, now_ms: float) -> float:
        """Says whether it holds now; how long it has, 0 if it doesn't."""
        if not holds:
            self._from_ms = None
            return 0.0
        if self._from_ms is None:
            self._from_ms = now_ms
        return now_ms - self._from_ms


class ExponentialBackoff:
    """How long to wait for a step up: longer after one that had to be taken back."""

    __slots__ = ("_least_ms", "_most_ms", "_up_ms", "ms")

    def __init__(self, least_ms: float, most_ms: float) -> None:
        self.ms = self._least_ms = least_ms
        self._most_ms = most_ms
        self._up_ms = -inf

    @property
    def is_tried(self) -> bool:
        """Whether a step up had to be taken back of late."""
        return self.ms > self._least_ms

    def reset(self) -> None:
        self.ms = self._least_ms

    def up(self, now_ms: float) -> None:
        if now_ms - self._up_ms > REGRET_MS + 4.0 * self.ms:
            self.reset()
        self._up_ms = now_ms

    def down(self, now_ms: float) -> None:
        if now_ms - self._up_ms < REGRET_MS:
            self.ms = min(self._most_ms, 2.0 * self.ms)
