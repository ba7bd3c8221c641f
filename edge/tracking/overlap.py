"""Boxes as arrays: corners (x1, y1, x2, y2) or centre and size, and how much they overlap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def to_places(corners: Floats) -> Floats:
    """Centre x and y, width, height (boxes, 4)."""
    low, high = corners[:, :2], corners[:, 2:]
    return np.concatenate(((low + high) / 2.0, high - low), axis=1)


def to_corners(places: Floats) -> Floats:
    """The reverse; a size below zero is none."""
    half = np.maximum(places[:, 2:], 0.0) / 2.0
    return np.concatenate((places[:, :2] - half, places[:, :2] + half), axis=1)


def grown(corners: Floats, by: float) -> Floats:
    """Boxes that are larger by the share `by` of their size at each side."""
    margin = by * (corners[:, 2:] - corners[:, :2])
    return np.concatenate((corners[:, :2] - margin, corners[:, 2:] + margin), axis=1)


def overlaps(one: Floats, other: Floats) -> Floats:
    """Intersection over union of all pairs (one, other), 0 to 1."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    sides = np.maximum(high - low, 0.0)
    both = sides[:, :, 0] * sides[:, :, 1]
    areas = [(boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) for boxes in (one, other)]
    union = areas[0][:, None] + areas[1][None, :] - both
    table: Floats = np.divide(both, union, out=np.zeros_like(both), where=union > 0.0)
    return table
