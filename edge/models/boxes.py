"""Boxes in pictures: their type, intersection over union, matching and F1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Box = tuple[int, float, float, float, float, float]
"""Class index, score, x1, y1, x2, y2: fractions of the picture, 0..1."""

Corners = tuple[float, float, float, float]
"""x1, y1, x2, y2."""

MAX_BOXES = 100  # a picture, after suppression; weaker ones are dropped


def iou(one: Corners, other: Corners) -> float:
    """Intersection over union of two boxes (x1, y1, x2, y2), 0..1."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    union = areas - both
    return both / union if union > 0.0 else 0.0  # areas of the smallest boxes are rounded to none


def match(
    found: Sequence[Box], truth: Sequence[Box], min_iou: float = 0.5
) -> list[tuple[Box, Box, float]]:
    """(found, true, IoU) of boxes that agree, each in one pair at most.

    Each found box, best first, is paired with the unpaired true box of its class that it overlaps
    most, if by at least `min_iou`.
    """
    free = list(truth)
    pairs = []
    for box in sorted(found, key=lambda box: -box[1]):
        overlaps = [iou(box[2:], other[2:]) if box[0] == other[0] else 0.0 for other in free]
        best = max(overlaps, default=0.0)
        if best >= min_iou:
            pairs.append((box, free.pop(overlaps.index(best)), best))
    return pairs


@dataclass(slots=True)
class F1:
    """The F1 score of boxes found in many pictures."""

    matched: int = 0
    found: int = 0
    truth: int = 0

    def add(self, found: Sequence[Box], truth: Sequence[Box], min_iou: float = 0.5) -> None:
        self.matched += len(match(found, truth, min_iou))
        self.found += len(found)
        self.truth += len(truth)

    @property
    def value(self) -> float:
        """2 x matched / (found + true), 0..1; 1 if there was nothing to find."""
        total = self.found + self.truth
        return 2 * self.matched / total if total else 1.0
