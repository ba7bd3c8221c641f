"""Distributions of times and values as counts: small, mergeable, pure."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

# From a decoder's time to far beyond any latency objective, by factors of about 1.6.
BOUNDS_MS = (1, 2.5, 5, 10, 15, 25, 40, 60, 80, 100, 150, 250, 500, 1000, 5000)
_STEP = math.log(1.05)  # a sketch's quantiles are right to 2.5 %


@dataclass(slots=True)
class Histogram:
    """Counts of values by bucket: up to each of `BOUNDS_MS`, and above the last."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_MS) + 1))
    sum_ms: float = 0.0

    def add(self, ms: float) -> None:
        self.counts[bisect_left(BOUNDS_MS, ms)] += 1
        self.sum_ms += ms

    def merge(self, other: Histogram) -> None:
        self.counts = [mine + its for mine, its in zip(self.counts, other.counts, strict=True)]
        self.sum_ms += other.sum_ms


@dataclass(slots=True)
class QuantileSketch:
    """Approximate quantiles of positive values, from counts in logarithmic steps."""

    counts: Counter[int] = field(default_factory=Counter)

    def add(self, value: float) -> None:
        self.counts[round(math.log(max(value, 1e-6)) / _STEP)] += 1

    def quantile(self, q: float) -> float | None:
        """The least value that at least a part `q` of all values doesn't exceed; None if empty."""
        rank = math.ceil(q * self.counts.total())
        for step in sorted(self.counts):
            rank -= self.counts[step]
            if rank <= 0:
                return math.exp(step * _STEP)
        return None
