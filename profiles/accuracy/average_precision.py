"""Average precision as COCO defines it: at 101 recalls, the mean over the classes present."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import numpy as np

from edge.models.boxes import Box, iou

COCO_IOUS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))

_RECALLS = np.linspace(0.0, 1.0, 101)


def average_precision(
    found: Sequence[Sequence[Box]], truth: Sequence[Sequence[Box]], min_iou: float = 0.5
) -> float:
    """AP, 0..1, of the boxes found in each picture against the true ones, picture by picture.

    Only class and corners of the true boxes matter. Classes without a true box are ignored; 1 if
    there is no true box.
    """
    classes = {box[0] for boxes in truth for box in boxes}
    if not classes:
        return 1.0
    return fmean(_of_class(label, found, truth, min_iou) for label in sorted(classes))


def _of_class(
    label: int, found: Sequence[Sequence[Box]], truth: Sequence[Sequence[Box]], min_iou: float
) -> float:
    free = [[box for box in boxes if box[0] == label] for boxes in truth]
    total = sum(len(boxes) for boxes in free)
    ranked = sorted(
        ((box, index) for index, boxes in enumerate(found) for box in boxes if box[0] == label),
        key=lambda pair: -pair[0][1],
    )
    hits = np.zeros(len(ranked))
    for rank, (box, index) in enumerate(ranked):
        overlaps = [iou(box[2:], other[2:]) for other in free[index]]
        if overlaps and max(overlaps) >= min_iou:
            free[index].pop(overlaps.index(max(overlaps)))
            hits[rank] = 1.0
    if not len(hits):
        return 0.0
    matched = np.cumsum(hits)
    precision = matched / np.arange(1, len(hits) + 1)
    best_from = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(matched / total, _RECALLS - 1e-9)
    return float(np.append(best_from, 0.0)[places].mean())
