"""How much boxes overlap: intersection over union of pairs, and boxes that are made larger."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

Corners = tuple[float, float, float, float]
"""x1, y1, x2, y2."""


def grown(corners: Corners, by: float) -> Corners:
    """A box that is larger by the share `by` of its size at each side."""
    x1, y1, x2, y2 = corners
    x, y = by * (x2 - x1), by * (y2 - y1)
    return x1 - x, y1 - y, x2 + x, y2 + y


def overlaps(
    one: Iterable[tuple[int, Corners]], other: Iterable[tuple[int, Corners]]
) -> Iterator[tuple[int, int, float]]:
    """(number of one, number of the other, intersection over union) of all pairs that overlap.

    In the order of `one`, then `other`. A box without area overlaps nothing.
    """
    others = [(column, *box, (box[2] - box[0]) * (box[3] - box[1])) for column, box in other]
    for row, (x1, y1, x2, y2) in one:
        area = (x2 - x1) * (y2 - y1)
        for column, left, top, right, bottom, other_area in others:
            if left < x2 and right > x1 and top < y2 and bottom > y1:  # most pairs are apart
                width = (x2 if x2 < right else right) - (x1 if x1 > left else left)
                height = (y2 if y2 < bottom else bottom) - (y1 if y1 > top else top)
                if width > 0.0 and height > 0.0:
                    both = width * height
                    union = area + other_area - both
                    if union > 0.0:  # areas of the smallest boxes are rounded to none
                        yield row, column, both / union
