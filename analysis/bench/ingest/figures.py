"""What a stage of `bench ingest` comes to: times of frames, from sent to handed over. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Times = Sequence[tuple[int, float, float]]
"""One publisher's frames in order: (RTP timestamp, first and last packet sent, ms)."""


@dataclass(frozen=True, slots=True)
class MeasurementWindow:
    """A time in which frames count, and the receivers' processor time in it."""

    streams: int
    begin_ms: float
    end_ms: float
    cpu_s: float

    @property
    def seconds(self) -> float:
        return (self.end_ms - self.begin_ms) / 1000.0


@dataclass(frozen=True, slots=True)
class Stage:
    """So many streams at once.

    `whole_ms` is from a frame's last packet at the socket to its picture handed over,
    `completed_ms` from the packet that tells aiortc that the frame is whole: the next frame's
    first. Quantiles are infinite where nothing was decoded.
    """

    streams: int
    sent: int
    decoded: int
    whole_ms: dict[str, float]
    completed_ms: dict[str, float]
    core: float
    """Share of a core."""
    cpu_ms: float
    """Processor time a frame."""


def stage(window: MeasurementWindow, publishers: Iterable[tuple[Times, dict[int, float]]]) -> Stage:
    """From each publisher's frames and what was handed over of them, by RTP timestamp."""
    whole, completed, sent = [], [], 0
    for times, handed in publishers:
        for index, (rtp, _, last_ms) in enumerate(times):
            if not window.begin_ms <= last_ms < window.end_ms:
                continue
            sent += 1
            if rtp in handed:
                whole.append(handed[rtp] - last_ms)
                if index + 1 < len(times):
                    completed.append(handed[rtp] - times[index + 1][1])
    return Stage(
        window.streams,
        sent,
        len(whole),
        quantiles(whole),
        quantiles(completed),
        window.cpu_s / window.seconds,
        1000.0 * window.cpu_s / sent if sent else math.inf,
    )


def quantiles(values: Sequence[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        f"p{q}": ordered[math.ceil(len(ordered) * q / 100) - 1] if ordered else math.inf
        for q in (50, 90, 99)
    }


def holds(each: Stage, most_ms: float, *, completed: bool = False) -> bool:
    """Whether p99 stayed under `most_ms`, and no more than one frame in 100 was left out."""
    times = each.completed_ms if completed else each.whole_ms
    return times["p99"] < most_ms and each.decoded >= 0.99 * each.sent


def most(stages: Iterable[Stage], most_ms: float, *, completed: bool = False) -> int:
    """The most streams that held; 0 if even the fewest did not."""
    return max((s.streams for s in stages if holds(s, most_ms, completed=completed)), default=0)
