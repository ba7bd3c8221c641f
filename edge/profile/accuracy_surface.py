"""F1 between the points measured: over sent size, bits a pixel, and the network's input size.

Small enough to be evaluated thousands of times for one plan: a grid, even along each axis.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge.profile.variant import LONG_SIDES

Floats = NDArray[np.float64]

_STEPS_AN_OCTAVE = 8  # of bits a pixel
_USUAL_INTERVAL = 0.1  # of a point whose interval is not known; only ratios count
_LEAST_INTERVAL = 0.01  # a handful of pictures that happen to agree are not certain


@dataclass(frozen=True, slots=True)
class Point:
    """One encode: F1 by input side, and its 95 % interval where that is known."""

    sent_long_side: int
    bits_a_pixel: float
    f1: Mapping[int, float]
    interval: Mapping[int, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AccuracyCurve:
    """F1 of one variant at one sent size over evenly spaced ln(bits a pixel); never falls."""

    first: float
    step: float
    values: list[float]

    def at(self, bits_a_pixel: float) -> float:
        """F1, 0..1."""
        if bits_a_pixel <= 0.0:
            return 0.0
        place = (math.log(bits_a_pixel) - self.first) / self.step
        if place <= 0.0:  # an encoder at its coarsest: with fewer bits it sends fewer frames
            return self.values[0] * bits_a_pixel / math.exp(self.first)
        low = int(place)
        if low >= len(self.values) - 1:
            return self.values[-1]
        part = place - low
        return self.values[low] * (1.0 - part) + self.values[low + 1] * part

    def enough(self, share: float) -> float:
        """The least bits a pixel with `share` of the last value."""
        target = share * self.values[-1]
        high = bisect_left(self.values, target)
        if high == 0:
            part = target / self.values[0] if self.values[0] > 0.0 else 1.0
            return math.exp(self.first) * part
        below, above = self.values[high - 1], self.values[high]
        return math.exp(self.first + self.step * (high - 1 + (target - below) / (above - below)))


@dataclass(frozen=True, slots=True)
class Grid:
    """F1 over (sent side, ln(bits a pixel), input side); both sides are those of LONG_SIDES."""

    first: float
    step: float
    values: Floats

    def curve(self, sent_long_side: float, input_long_side: int) -> AccuracyCurve:
        """The curve of one variant at one sent size."""
        low, part = _place(sent_long_side)
        column = LONG_SIDES.index(input_long_side)
        values = (
            self.values[low, :, column] * (1 - part) + self.values[low + 1, :, column] * part
        ) * min(1.0, sent_long_side / LONG_SIDES[0])
        return AccuracyCurve(self.first, self.step, values.tolist())

    def table(self, sent_long_sides: Floats, bits_a_pixel: Floats, columns: list[int]) -> Floats:
        """F1 for each pair of sent side and bits a pixel (rows), by input side.

        `columns` are places in LONG_SIDES.
        """
        place = np.interp(sent_long_sides, LONG_SIDES, np.arange(len(LONG_SIDES)))
        row = np.minimum(place.astype(np.intp), len(LONG_SIDES) - 2)
        row_part = (place - row)[:, None]
        with np.errstate(divide="ignore"):
            bits = (np.log(bits_a_pixel) - self.first) / self.step
        bits = np.clip(bits, 0.0, self.values.shape[1] - 1)
        node = np.minimum(bits.astype(np.intp), self.values.shape[1] - 2)
        part = (bits - node)[:, None]
        values = self.values[:, :, columns]
        at_row = values[row, node] * (1 - part) + values[row, node + 1] * part
        at_next = values[row + 1, node] * (1 - part) + values[row + 1, node + 1] * part
        few = np.minimum(1.0, bits_a_pixel / math.exp(self.first))
        small = np.minimum(1.0, sent_long_sides / LONG_SIDES[0])
        return np.asarray((at_row * (1 - row_part) + at_next * row_part) * (few * small)[:, None])


def build(clips: Sequence[Sequence[Point]]) -> Grid:
    """The mean of the clips' surfaces, on a grid that spans all their bits."""
    bits = [math.log(point.bits_a_pixel) for clip in clips for point in clip]
    step = math.log(2.0) / _STEPS_AN_OCTAVE
    count = max(2, math.ceil((max(bits) - min(bits)) / step) + 1)
    nodes: Floats = min(bits) + step * np.arange(count, dtype=np.float64)
    surfaces = [_surface(clip, nodes) for clip in clips]
    return Grid(float(nodes[0]), step, np.mean(surfaces, axis=0))


def _place(sent_long_side: float) -> tuple[int, float]:
    place = float(np.interp(sent_long_side, LONG_SIDES, range(len(LONG_SIDES))))
    low = min(int(place), len(LONG_SIDES) - 2)
    return low, place - low


def _surface(points: Sequence[Point], nodes: Floats) -> Floats:
    """One clip's F1 over (LONG_SIDES as sent, nodes, LONG_SIDES as input)."""
    by_long_side: dict[int, list[Point]] = {}
    for point in points:
        by_long_side.setdefault(point.sent_long_side, []).append(point)
    sent = sorted(by_long_side)
    sheets = _never_falling_by_size(
        np.array([_sheet(by_long_side[long_side], nodes) for long_side in sent])
    )
    surface = np.empty((len(LONG_SIDES), len(nodes), len(LONG_SIDES)))
    for index, long_side in enumerate(LONG_SIDES):
        place = float(np.interp(long_side, sent, range(len(sent))))
        low, high = math.floor(place), math.ceil(place)
        part = place - low
        surface[index] = sheets[low] * (1.0 - part) + sheets[high] * part
        surface[index] *= min(1.0, long_side / sent[0])
    return surface


def _sheet(points: list[Point], nodes: Floats) -> Floats:
    """F1 over (nodes, LONG_SIDES as input) of one clip at one sent size."""
    points = sorted(points, key=lambda point: point.bits_a_pixel)
    bits = np.array([math.log(point.bits_a_pixel) for point in points])
    measured = np.array([_over_inputs(point.f1) for point in points])
    weights = np.array([_weights(point) for point in points])
    few = np.minimum(1.0, np.exp(nodes - bits[0]))
    columns = [
        np.interp(nodes, bits, _never_falling(column, weight)) * few
        for column, weight in zip(measured.T, weights.T, strict=True)
    ]
    return np.stack(columns, axis=1)


def _over_inputs(f1: Mapping[int, float]) -> Floats:
    """F1 at each of LONG_SIDES as the network's input."""
    long_sides = sorted(f1)
    return np.interp(LONG_SIDES, long_sides, [f1[long_side] for long_side in long_sides])


def _weights(point: Point) -> Floats:
    """What a point counts for at each of LONG_SIDES: the inverse of its variance."""
    widths = {side: high - low for side, (low, high) in point.interval.items()}
    if not widths:
        return np.ones(len(LONG_SIDES))
    sides = sorted(widths)
    over_inputs = np.interp(LONG_SIDES, sides, [widths[side] for side in sides])
    return np.asarray((_USUAL_INTERVAL / np.maximum(over_inputs, _LEAST_INTERVAL)) ** 2)


def _never_falling_by_size(sheets: Floats) -> Floats:
    """Sheets (sent size, bits, input), of which none has less anywhere than a smaller size's.

    As the fit preserves order, curves that never fall along the bits still do not afterwards.
    """
    ones = np.ones(len(sheets))
    fitted = sheets.copy()
    for node, column in np.argwhere((np.diff(sheets, axis=0) < 0.0).any(axis=0)):
        fitted[:, node, column] = _never_falling(sheets[:, node, column], ones)
    return fitted


def _never_falling(values: Floats, weights: Floats) -> list[float]:
    """The non-decreasing sequence nearest to `values` by squares (pool adjacent violators)."""
    pools: list[tuple[float, float, int]] = []  # mean, weight, values
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        mean, heavy, count = value, weight, 1
        while pools and pools[-1][0] > mean:
            other, other_weight, others = pools.pop()
            mean = (mean * heavy + other * other_weight) / (heavy + other_weight)
            heavy += other_weight
            count += others
        pools.append((mean, heavy, count))
    return [mean for mean, _, count in pools for _ in range(count)]
