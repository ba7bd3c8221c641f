"""Counts and histograms of all frames of a process.

Pure, and mergeable: the metrics of several processes add up to one.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from edge.adaptation.latency_budget import LEGS, Leg

# From a decoder's time to far beyond any latency objective, by factors of about 1.6.
BOUNDS_MS = (1, 2.5, 5, 10, 15, 25, 40, 60, 80, 100, 150, 250, 500, 1000, 5000)
Timed = Leg | Literal["whole"]
TIMED: tuple[Timed, ...] = (*LEGS, "whole")
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


@dataclass(slots=True)
class FrameCounts:
    """Frames of a period by outcome, and their times. Plain data: it can be pickled."""

    outcomes: Counter[str] = field(default_factory=Counter)
    """`in_time`, `answered_late`, or the reason of a drop."""
    legs: dict[Timed, Histogram] = field(
        default_factory=lambda: {leg: Histogram() for leg in TIMED}
    )
    """Answered frames' time in each leg; `whole` is from capture to the publisher's hands."""
    slo_ratio: QuantileSketch = field(default_factory=QuantileSketch)
    """Each answered frame's `whole` time over its latency objective."""

    def merge(self, other: FrameCounts) -> None:
        self.outcomes.update(other.outcomes)
        self.slo_ratio.counts.update(other.slo_ratio.counts)
        for leg, histogram in other.legs.items():
            self.legs[leg].merge(histogram)


class FrameMetrics:
    """Counts the frames of all sessions of a process."""

    def __init__(self) -> None:
        self._counts = FrameCounts()

    def answered(self, legs_ms: Mapping[Leg, float], whole_ms: float, slo_ms: float) -> None:
        counts = self._counts
        counts.outcomes["in_time" if whole_ms <= slo_ms else "answered_late"] += 1
        for leg, ms in legs_ms.items():
            counts.legs[leg].add(ms)
        counts.legs["whole"].add(whole_ms)
        counts.slo_ratio.add(whole_ms / slo_ms)

    def dropped(self, reason: str) -> None:
        self._counts.outcomes[reason] += 1

    def merge(self, counts: FrameCounts) -> None:
        """Add the counts of another process."""
        self._counts.merge(counts)

    def drain(self) -> FrameCounts:
        """The counts since the previous call."""
        counts, self._counts = self._counts, FrameCounts()
        return counts
