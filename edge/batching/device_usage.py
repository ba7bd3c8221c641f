"""A device's work since the start: batches, frames, and the time that it was busy."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class DeviceUsage:
    """A device has one batch at a time, so `busy_ms` over the time passed is its utilisation.

    `busy_ms` is the time from handing a batch over until its result is back, transfers included.
    """

    busy_ms: float = 0.0
    sizes: Counter[int] = field(default_factory=Counter)
    """How many batches there were of each size."""
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
        """The batch of `size` frames came back, or failed."""
        if self._since_ms is not None:
            self.busy_ms += now_ms - self._since_ms
        self._since_ms = None
        self.sizes[size] += 1

    def busy_until(self, now_ms: float) -> float:
        """Time busy until now, in ms, with the batch in flight."""
        return self.busy_ms + (0.0 if self._since_ms is None else now_ms - self._since_ms)
