"""Points, polygons and segments, in fractions of the picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float]


class Polygon:
    """Tells which points are inside; one on a side may count as either."""

    def __init__(self, corners: Sequence[Point]) -> None:
        starts = np.array(corners, np.float64)
        ends = np.roll(starts, -1, axis=0)
        self._x, self._y, self._end_y = starts[:, 0], starts[:, 1], ends[:, 1]
        rise = ends[:, 1] - starts[:, 1]
        flat = rise == 0.0  # crosses no horizontal ray
        self._slope = (ends[:, 0] - starts[:, 0]) / np.where(flat, 1.0, rise)

    def contains(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether each of the points (n, 2) is inside: its ray crosses an odd number of sides."""
        x, y = points[:, 0, None], points[:, 1, None]
        spans = (self._y > y) != (self._end_y > y)
        crosses = spans & (x < self._x + self._slope * (y - self._y))
        odd: NDArray[np.bool_] = crosses.sum(axis=1) % 2 == 1
        return odd


def side_distances(start: Point, end: Point, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each of the points (n, 2) is from the line through two points; positive at its right,
    seen from `start` to `end` in a picture, whose y grows downwards."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    across: NDArray[np.float64] = dx * (points[:, 1] - start[1]) - dy * (points[:, 0] - start[0])
    return across / float(np.hypot(dx, dy))


def meets(start: Point, end: Point, one: Point, other: Point) -> bool:
    """Whether the way from `one` to `other`, at different sides of the line, meets the segment from
    `start` to `end`."""
    dx, dy = other[0] - one[0], other[1] - one[1]
    at_start = dx * (start[1] - one[1]) - dy * (start[0] - one[0])
    at_end = dx * (end[1] - one[1]) - dy * (end[0] - one[0])
    return at_start * at_end <= 0.0
