"""Counts and histograms of all frames of a process. Pure; mergeable, so that several processes'
readings become one."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from edge.adaptation.latency_budget import LEGS, Leg

# From what a decoder takes to where any objective is long missed; about a factor of 1.6 apart.
BOUNDS_MS = (1, 2.5, 5, 10, 15, 25, 40, 60, 80, 100, 150, 250, 500, 1000, 5000)
Timed = Leg | Literal["whole"]
TIMED: tuple[Timed, ...] = (*LEGS, "whole")
_STEP = math.log(1.05)  # a sketch's quantiles are right to 2.5 %


@dataclass(slots=True)
class Histogram:
    """How many values lay at or below each bound and above the one before; the last: above all."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_MS) + 1))
    sum_ms: float = 0.0

    def add(self, ms: float) -> None:
        self.counts[bisect_left(BOUNDS_MS, ms)] += 1
        self.sum_ms += ms

    def absorb(self, other: Histogram) -> None:
        self.counts = [mine + its for mine, its in zip(self.counts, other.counts, strict=True)]
        self.sum_ms += other.sum_ms


@dataclass(slots=True)
class Sketch:
    """Quantiles of positive values from counts in logarithmic steps."""

    counts: Counter[int] = field(default_factory=Counter)

    def add(self, value: float) -> None:
        self.counts[round(math.log(max(value, 1e-6)) / _STEP)] += 1

    def quantile(self, q: float) -> float | None:
        """The least value that at least a part `q` of all doesn't exceed; None if empty."""
        rank = math.ceil(q * self.counts.total())
        for step in sorted(self.counts):
            rank -= self.counts[step]
            if rank <= 0:
                return math.exp(step * _STEP)
        return None


def _histograms() -> dict[Timed, Histogram]:
    return {leg: Histogram() for leg in TIMED}


@dataclass(slots=True)
class Reading:
    """What happened since the one before. Plain data: it can be pickled."""

    outcomes: Counter[str] = field(default_factory=Counter)
    """Frames by what became of them: in_time, answered_late, or why dropped."""
    legs: dict[Timed, Histogram] = field(
        default_factory=lambda: {leg: Histogram() for leg in TIMED}
    )
    """Where their time went; `whole` is from capture to the answer in the publisher's hands."""
    strain: Sketch = field(default_factory=Sketch)
    """The whole over the objective, of each frame that was answered."""

    def absorb(self, other: Reading) -> None:
        self.outcomes.update(other.outcomes)
        self.strain.counts.update(other.strain.counts)
        for leg, histogram in other.legs.items():
            self.legs[leg].absorb(histogram)


class FrameMetrics:
    """Takes note of frames, for all sessions of the process."""

    def __init__(self) -> None:
        self._reading = Reading()

    def answered(self, legs_ms: Mapping[Leg, float], whole_ms: float, slo_ms: float) -> None:
        reading = self._reading
        reading.outcomes["in_time" if whole_ms <= slo_ms else "answered_late"] += 1
        for leg, ms in legs_ms.items():
            reading.legs[leg].add(ms)
        reading.legs["whole"].add(whole_ms)
        reading.strain.add(whole_ms / slo_ms)

    def dropped(self, reason: str) -> None:
        self._reading.outcomes[reason] += 1

    def absorb(self, reading: Reading) -> None:
        """What another process noted."""
        self._reading.absorb(reading)

    def drain(self) -> Reading:
        """What was noted since this was last asked."""
        reading, self._reading = self._reading, Reading()
        return reading
