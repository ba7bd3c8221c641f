"""What a worker runs before its first client, and the profile entries that come of it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edge.ipc.picture import Picture, chroma_size
from edge.profile.latency import LatencyEntry
from edge.profile.variant import Variant
from edge.workers.messages import Box, Warm

SHAPES = ((16, 9), (4, 3), (3, 4), (9, 16), (40, 17))
"""Pictures' shapes to be ready for: cameras held either way, and the sample video's 640x272."""

_LEAST_RUNS, _MOST_RUNS, _ENOUGH_MS = 3, 10, 40.0
_95_TO_99 = 2.326 / 1.645  # standard deviations to those percentiles
_LEAST_SPREAD = 1.05  # no machine is steadier than this for long


@dataclass(frozen=True, slots=True)
class Samples:
    """Latencies, in ms, of one variant, input size (width, height) and batch size."""

    variant: str
    input_size: tuple[int, int]
    batch: int
    samples_ms: tuple[float, ...]


def warm_list(
    variants: Sequence[str],
    shapes: Sequence[tuple[int, int]] = SHAPES,
    batches: Sequence[int] = (1,),
    *,
    measure: bool = True,
) -> list[Warm]:
    """Every variant at every shape and batch size, each distinct network input once.

    The pictures are of the size that senders are asked for: the variant's edge, shape kept. Of the
    shapes only the first is measured, since latency goes by the number of pixels; and it comes last
    then, so that what is kept of the recently used is kept of it.
    """
    seen: dict[tuple[str, tuple[int, int], int], Warm] = {}
    for shape in shapes:
        for name in variants:
            variant = Variant.parse(name)
            picture = variant.fit(shape[0] * 100, shape[1] * 100)
            for batch in batches:
                key = (name, variant.input_size(*picture), batch)
                seen.setdefault(key, Warm(name, picture, batch, measure and shape == shapes[0]))
    return sorted(seen.values(), key=lambda warm: warm.measure)


def measure(detect: Callable[[Sequence[Picture], str], list[list[Box]]], warm: Warm) -> list[float]:
    """Latencies, in ms, of a batch that is warm already: a few runs, more where they are short."""
    pictures = [_test_picture(*warm.picture, seed) for seed in range(warm.batch)]
    samples_ms: list[float] = []
    while len(samples_ms) < _MOST_RUNS:
        if len(samples_ms) >= _LEAST_RUNS and sum(samples_ms) >= _ENOUGH_MS:
            break
        started = time.perf_counter()
        detect(pictures, warm.variant)
        samples_ms.append((time.perf_counter() - started) * 1000.0)
    return samples_ms


def estimate(measured: Sequence[Samples]) -> list[LatencyEntry]:
    """Profile entries from a few samples each: own medians, one spread pooled from all.

    A handful of runs can't give a 99th percentile, and its maximum would carry one hiccup of the
    machine into one entry for good. The ratios of sample to median over all entries give a 95th,
    and from there it goes as if they were log-normal.
    """
    entries = [entry for entry in measured if entry.samples_ms]
    medians = [statistics.median(entry.samples_ms) for entry in entries]
    ratios = [
        max(1.0, sample / median)
        for entry, median in zip(entries, medians, strict=True)
        for sample in entry.samples_ms
    ]
    spread = max(_LEAST_SPREAD, float(np.quantile(ratios, 0.95)) ** _95_TO_99) if ratios else 1.0
    return [
        LatencyEntry(entry.variant, *entry.input_size, entry.batch, median, median * spread)
        for entry, median in zip(entries, medians, strict=True)
    ]


def _test_picture(width: int, height: int, seed: int) -> Picture:
    """Grey noise: the work of a picture without the luck of what is in one."""
    random = np.random.default_rng(seed)
    chroma_width, chroma_height = chroma_size(width, height)
    chroma = np.full((chroma_height, chroma_width), 128, np.uint8)
    luma = random.integers(96, 160, (height, width), np.uint8)
    return Picture(width, height, luma, chroma, chroma)
