"""Counts and histograms of all frames of a process, and its refused datagrams, for Prometheus and
the dashboard.

Pure, and mergeable: the metrics of several processes add up to one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from edge.adaptation.latency_budget import LEGS, Leg
from edge.base.histogram import Histogram, QuantileSketch
from edge.clips.counts import ClipCounts
from edge.tracking.counts import SceneCounts

Timed = Leg | Literal["whole"]
TIMED: tuple[Timed, ...] = (*LEGS, "whole")


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
    refused: Counter[str] = field(default_factory=Counter)
    """Datagrams that the guard dropped (`edge.rtc.guard`), by reason."""
    scenes: SceneCounts = field(default_factory=SceneCounts)
    """What tracks did in zones and at lines."""
    clips: ClipCounts = field(default_factory=ClipCounts)

    def merge(self, other: FrameCounts) -> None:
        self.outcomes.update(other.outcomes)
        self.refused.update(other.refused)
        self.scenes.merge(other.scenes)
        self.clips.merge(other.clips)
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

    def refused(self, datagrams: Mapping[str, int]) -> None:
        """Count datagrams that were dropped, by reason."""
        self._counts.refused.update(datagrams)

    def followed(self, counts: SceneCounts) -> None:
        """Count what a camera's tracks did."""
        self._counts.scenes.merge(counts)

    def clipped(self, counts: ClipCounts) -> None:
        """Count what became of clips."""
        self._counts.clips.merge(counts)

    def merge(self, counts: FrameCounts) -> None:
        """Add the counts of another process."""
        self._counts.merge(counts)

    def drain(self) -> FrameCounts:
        """The counts since the previous call."""
        counts, self._counts = self._counts, FrameCounts()
        return counts
