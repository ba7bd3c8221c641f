"""The batches that a worker runs before its first client's, and the profile that they yield."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edge.ipc.picture import Picture, chroma_size
from edge.models.boxes import Box
from edge.profile.latency import LatencyEntry
from edge.profile.variant import Variant
from edge.workers.messages import WarmupBatch

SHAPES = ((16, 9), (4, 3), (3, 4), (9, 16), (40, 17))
"""Shapes of pictures to be ready for: cameras held either way, and the sample video's 640x272."""

_LEAST_RUNS, _MOST_RUNS, _ENOUGH_MS = 3, 10, 40.0
_95_TO_99 = 2.326 / 1.645  # standard deviations to those percentiles
_LEAST_SPREAD = 1.05  # no machine stays steadier than this


@dataclass(frozen=True, slots=True)
class LatencySamples:
    """Latencies, in ms, of one variant, input size (width, height) and batch size."""

    variant: str
    input_size: tuple[int, int]
    batch: int
    samples_ms: tuple[float, ...]


def warmup_batches(
    variants: Sequence[str],
    shapes: Sequence[tuple[int, int]] = SHAPES,
    batches: Sequence[int] = (1,),
    *,
    measure: bool = True,
) -> list[WarmupBatch]:
    """Every variant at every shape and batch size, each distinct network input once.

    The pictures have the size that publishers are asked for: the variant's long side, shape kept.
    Only the first of the shapes is measured, since latency depends on the number of pixels. It is
    run last then, so that caches of the recently used keep it.
    """
    found: dict[tuple[str, tuple[int, int], int], WarmupBatch] = {}
    for shape in shapes:
        for name in variants:
            variant = Variant.parse(name)
            picture = variant.fit(shape[0] * 100, shape[1] * 100)
            for batch in batches:
                key = (name, variant.input_size(*picture), batch)
                is_measured = measure and shape == shapes[0]
                found.setdefault(key, WarmupBatch(name, picture, batch, is_measured))
    return sorted(found.values(), key=lambda warm: warm.measure)


def measure(
    detect: Callable[[Sequence[Picture], str], list[list[Box]]], warm: WarmupBatch
) -> list[float]:
    """Latencies, in ms, of a batch that was warmed up: a few runs, more where they are short."""
    pictures = [_test_picture(*warm.picture, seed) for seed in range(warm.batch)]
    samples_ms: list[float] = []
    while len(samples_ms) < _MOST_RUNS:
        if len(samples_ms) >= _LEAST_RUNS and sum(samples_ms) >= _ENOUGH_MS:
            break
        started = time.perf_counter()
        detect(pictures, warm.variant)
        samples_ms.append((time.perf_counter() - started) * 1000.0)
    return samples_ms


def estimate(measured: Sequence[LatencySamples]) -> list[LatencyEntry]:
    """Profile entries from a few samples each: own medians, one spread pooled from all.

    A handful of runs can't give a 99th percentile, and their maximum would make one hiccup of the
    machine a lasting part of one entry. The ratios of sample to median over all entries give the
    95th percentile, from which the 99th follows as that of a log-normal distribution.
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
    """Grey noise: the work of a picture, whatever is in it."""
    random = np.random.default_rng(seed)
    chroma_width, chroma_height = chroma_size(width, height)
    chroma = np.full((chroma_height, chroma_width), 128, np.uint8)
    luma = random.integers(96, 160, (height, width), np.uint8)
    return Picture(width, height, luma, chroma, chroma)
