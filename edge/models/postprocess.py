"""From candidates to boxes: score threshold, non-maximum suppression, fractions of the picture."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from edge.models.boxes import MAX_BOXES, Box
from edge.models.letterbox import Letterbox


def postprocess(
    candidates: npt.NDArray[np.float32], at: Letterbox, *, score_threshold: float, nms_iou: float
) -> list[Box]:
    """The boxes of one picture, from its candidates (K, 6) as `decode` gives them.

    Boxes below the threshold, not finite or outside the picture are dropped, as are those that
    overlap a better one of their class by more than `nms_iou`; the best `MAX_BOXES` are returned.
    """
    keep = (candidates[:, 0] >= score_threshold) & np.isfinite(candidates).all(axis=1)
    rows = candidates[keep]
    if not len(rows):
        return []
    corners = rows[:, 2:].astype(np.float64)
    rectangles = np.hstack((corners[:, :2], corners[:, 2:] - corners[:, :2]))
    chosen = cv2.dnn.NMSBoxesBatched(
        cast("list[list[float]]", rectangles.tolist()),
        rows[:, 0].tolist(),
        rows[:, 1].astype(int).tolist(),
        0.0,
        nms_iou,
    )
    offset = np.array((at.left, at.top, at.left, at.top))
    size = np.array((at.width, at.height, at.width, at.height))
    boxes: list[Box] = []
    for index in np.asarray(chosen, dtype=int).reshape(-1):
        x1, y1, x2, y2 = np.clip((corners[index] - offset) / size, 0.0, 1.0).tolist()
        if x2 > x1 and y2 > y1:
            boxes.append((int(rows[index, 1]), float(rows[index, 0]), x1, y1, x2, y2))
        if len(boxes) == MAX_BOXES:
            break
    return boxes
