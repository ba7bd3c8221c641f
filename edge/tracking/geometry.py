"""Points, polygons and segments, in fractions of the picture."""

from __future__ import annotations

import math
from collections.abc import Sequence

Point = tuple[float, float]


class Polygon:
    """Tells which points are inside; one on a side may count as either."""

    def __init__(self, corners: Sequence[Point]) -> None:
        xs, ys = zip(*corners, strict=True)
        self._low, self._high = (min(xs), min(ys)), (max(xs), max(ys))
        ends = [*corners[1:], corners[0]]
        self._sides = [  # without horizontal ones: no horizontal ray crosses them
            (x, y, end_y, (end_x - x) / (end_y - y))
            for (x, y), (end_x, end_y) in zip(corners, ends, strict=True)
            if y != end_y
        ]

    def contains(self, point: Point) -> bool:
        """Whether the point is inside: its ray crosses an odd number of sides."""
        x, y = point
        if not (self._low[0] <= x <= self._high[0] and self._low[1] <= y <= self._high[1]):
            return False
        inside = False
        for side_x, side_y, end_y, slope in self._sides:
            if (side_y > y) != (end_y > y) and x < side_x + slope * (y - side_y):
                inside = not inside
        return inside


def side_distance(start: Point, end: Point, point: Point) -> float:
    """How far a point is from the line through two points; positive at its right, seen from
    `start` to `end` in a picture, whose y grows downwards."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    return (dx * (point[1] - start[1]) - dy * (point[0] - start[0])) / math.hypot(dx, dy)


def meets(start: Point, end: Point, one: Point, other: Point) -> bool:
    """Whether the way from `one` to `other`, at different sides of the line, meets the segment from
    `start` to `end`."""
    dx, dy = other[0] - one[0], other[1] - one[1]
    at_start = dx * (start[1] - one[1]) - dy * (start[0] - one[0])
    at_end = dx * (end[1] - one[1]) - dy * (end[0] - one[0])
    return at_start * at_end <= 0.0
