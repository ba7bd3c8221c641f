"""Figures of `bench receive`: each leg's quantiles by frame rate and receiver. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from analysis.bench.report import MeasurementError, Promise

TOTAL = "whole"
LEGS = (TOTAL, "network", "decode", "hand over")
MIN_RATIO = 10.0  # stock median over ours
MAX_P99_MS = 10.0


@dataclass(frozen=True, slots=True)
class MeasuredConnection:
    """Frames encoded in one connection's measured time, and each decoded frame's ms by leg."""

    encoded: int
    frames: list[dict[str, float]]


def legs(encoded_ms: float, times: Sequence[float]) -> dict[str, float]:
    """A frame's ms by leg; `times` as in `receivers.DecodedTimes`."""
    found = {TOTAL: times[-1] - encoded_ms}
    if len(times) == 3:
        instants = (encoded_ms, *times)
        found |= {leg: b - a for leg, (a, b) in zip(LEGS[1:], pairwise(instants), strict=True)}
    return found


def rows_of(runs: Mapping[tuple[int, str], Sequence[MeasuredConnection]]) -> list[dict[str, Any]]:
    """A row for each frame rate and receiver; ours after stock, with the ratio of the medians.
    Raises MeasurementError where nothing was decoded."""
    rows: list[dict[str, Any]] = []
    for (fps, name), connections in runs.items():
        frames = [frame for connection in connections for frame in connection.frames]
        if not frames:
            raise MeasurementError(f"no frame was decoded by {name} at {fps} frames/s")
        row: dict[str, Any] = {
            "fps": fps,
            "receiver": name,
            "encoded": sum(connection.encoded for connection in connections),
            "frames": len(frames),
        }
        row |= {leg: spread([frame[leg] for frame in frames]) for leg in frames[0]}
        if name == "ours":
            stock = next(r for r in rows if r["fps"] == fps and r["receiver"] == "stock")
            row["ratio"] = stock[TOTAL]["p50"] / row[TOTAL]["p50"]
        rows.append(row)
    return rows


def spread(values: Sequence[float]) -> dict[str, float]:
    """`p50`, `p90`, `p99` and `max`."""
    ordered = sorted(values)
    found = {
        f"p{quantile}": ordered[math.ceil(len(ordered) * quantile / 100) - 1]
        for quantile in (50, 90, 99)
    }
    return found | {"max": ordered[-1]}


def promises(rows: Sequence[Mapping[str, Any]]) -> Iterator[Promise]:
    """Our median is a tenth of stock's, and our p99 is low, at every frame rate."""
    for row in rows:
        if row["receiver"] == "ours":
            rate = f"{row['fps']} frames/s"
            text = f"{rate}, median at least {MIN_RATIO:g} times lower"
            yield Promise(text, row["ratio"] >= MIN_RATIO)
            yield Promise(f"{rate}, p99 under {MAX_P99_MS:g} ms", row[TOTAL]["p99"] < MAX_P99_MS)
