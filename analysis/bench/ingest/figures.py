"""Figures of a stage of `bench ingest`: frames' times from the socket to their pictures. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Times = Sequence[tuple[int, float, float]]
"""One publisher's frames in order: (RTP timestamp, first and last packet sent, ms)."""


@dataclass(frozen=True, slots=True)
class MeasurementWindow:
    """The time in which frames count (ms), and the receivers' processor time in it (s)."""

    streams: int
    begin_ms: float
    end_ms: float
    cpu_s: float

    @property
    def seconds(self) -> float:
        return (self.end_ms - self.begin_ms) / 1000.0


@dataclass(frozen=True, slots=True)
class Stage:
    """A number of simultaneous streams, and their frames.

    `decoded_ms` are quantiles of the time from a frame's last packet at the socket to its picture,
    `completed_ms` of that from the packet by which aiortc knows that the frame is complete, the
    next frame's first. Quantiles are infinite where nothing was decoded. `core` is a share of one
    core, `cpu_ms` processor time a frame.
    """

    streams: int
    sent: int
    decoded: int
    decoded_ms: dict[str, float]
    completed_ms: dict[str, float]
    core: float
    cpu_ms: float

    def is_sustained(self, limit_ms: float, *, completed: bool = False) -> bool:
        """Whether p99 stayed under `limit_ms`, with at most one frame in 100 not decoded."""
        times = self.completed_ms if completed else self.decoded_ms
        return times["p99"] < limit_ms and self.decoded >= 0.99 * self.sent


def stage(window: MeasurementWindow, publishers: Iterable[tuple[Times, dict[int, float]]]) -> Stage:
    """A stage of each publisher's frames and when their pictures were ready, by RTP timestamp."""
    decoded, completed, sent = [], [], 0
    for times, pictures_ms in publishers:
        for index, (rtp, _, last_ms) in enumerate(times):
            if not window.begin_ms <= last_ms < window.end_ms:
                continue
            sent += 1
            if rtp in pictures_ms:
                decoded.append(pictures_ms[rtp] - last_ms)
                if index + 1 < len(times):
                    completed.append(pictures_ms[rtp] - times[index + 1][1])
    return Stage(
        window.streams,
        sent,
        len(decoded),
        quantiles(decoded),
        quantiles(completed),
        window.cpu_s / window.seconds,
        1000.0 * window.cpu_s / sent if sent else math.inf,
    )


def quantiles(values: Sequence[float]) -> dict[str, float]:
    """`p50`, `p90` and `p99`; infinite without values."""
    ordered = sorted(values)
    return {
        f"p{q}": ordered[math.ceil(len(ordered) * q / 100) - 1] if ordered else math.inf
        for q in (50, 90, 99)
    }


def max_streams(stages: Iterable[Stage], limit_ms: float, *, completed: bool = False) -> int:
    """The most streams that were sustained; 0 if even the fewest were not."""
    sustained = (each for each in stages if each.is_sustained(limit_ms, completed=completed))
    return max((each.streams for each in sustained), default=0)
