"""Latency over pixel counts and batch sizes: between and beyond the measured points."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.float64]


@dataclass(slots=True)
class LatencySurface:
    """Latency in ms, `table` over (pixel counts, batch sizes from 1).

    Rows ascend by `pixels`, and values never fall along either axis.
    """

    pixels: list[int]
    table: Table

    def row(self, pixels: int) -> Table:
        """All batch sizes at a pixel count: linear between rows, flat below the first, and in
        proportion to the pixels above the last."""
        if pixels <= self.pixels[0]:
            return np.asarray(self.table[0])
        if pixels >= self.pixels[-1]:
            return np.asarray(self.table[-1] * (pixels / self.pixels[-1]))
        high = bisect_right(self.pixels, pixels)
        low_pixels, high_pixels = self.pixels[high - 1], self.pixels[high]
        part = (pixels - low_pixels) / (high_pixels - low_pixels)
        return np.asarray(self.table[high - 1] * (1 - part) + self.table[high] * part)


def build_surface(measured: Mapping[int, Mapping[int, float]], max_batch: int) -> LatencySurface:
    """The surface through latencies in ms, measured by pixel count and batch size."""
    pixels = sorted(measured)
    table = np.array([_all_batches(measured[each], max_batch) for each in pixels])
    is_measured = np.array(
        [[batch + 1 in measured[each] for batch in range(max_batch)] for each in pixels]
    )
    return LatencySurface(pixels, monotone(table, is_measured))


def monotone(table: Table, is_measured: NDArray[np.bool_]) -> Table:
    """Latencies that never fall along either axis.

    Inferred values first give way to measured ones of more pixels or larger batches, which can't be
    faster. Inversions that remain are levelled upward.
    """
    bound = np.where(is_measured, table, math.inf)[::-1, ::-1]
    bound = np.minimum.accumulate(np.minimum.accumulate(bound, axis=0), axis=1)[::-1, ::-1]
    table = np.where(is_measured, table, np.minimum(table, bound))
    return np.asarray(np.maximum.accumulate(np.maximum.accumulate(table, axis=1), axis=0))


def _all_batches(measured: Mapping[int, float], max_batch: int) -> list[float]:
    """Latency for each batch size from 1 to `max_batch`.

    An unmeasured batch takes at most as long as the next larger measured one, and at most its
    images at the per-image cost of the next smaller one: the lower of these two bounds.
    """
    sizes = sorted(measured)
    latencies = []
    for batch in range(1, max_batch + 1):
        bounds = [measured[size] for size in sizes if size >= batch][:1]
        smaller = [size for size in sizes if size <= batch]
        if smaller:
            bounds.append(measured[smaller[-1]] * batch / smaller[-1])
        latencies.append(min(bounds))
    return latencies
