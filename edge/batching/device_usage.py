"""What a device has done: batches, frames, and the time that it was busy."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class DeviceUsage:
    """Counted since the start; `busy_ms` is the time that a batch was there, its way included.

    A device has one batch at a time, so time busy over time passed is its utilisation as plans
    reckon it.
    """

    busy_ms: float = 0.0
    sizes: Counter[int] = field(default_factory=Counter)
    """Batches by how many frames they held."""
    _since_ms: float | None = None

    @property
    def batches(self) -> int:
        return self.sizes.total()

    @property
    def frames(self) -> int:
        return sum(size * count for size, count in self.sizes.items())

    def began(self, now_ms: float) -> None:
        """A batch was handed over."""
        self._since_ms = now_ms

    def ended(self, size: int, now_ms: float) -> None:
        """It came back, or failed."""
        if self._since_ms is not None:
            self.busy_ms += now_ms - self._since_ms
        self._since_ms = None
        self.sizes[size] += 1

    def busy_until(self, now_ms: float) -> float:
        """Time busy so far, the batch that is there now included, in ms."""
        return self.busy_ms + (0.0 if self._since_ms is None else now_ms - self._since_ms)
