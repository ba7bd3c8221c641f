"""From a network's raw maps to candidates on a CPU, without PyTorch.

The same rows as `edge.models.decode`, but only those of boxes that can reach a score: of some
thousand boxes a picture these are a few, so that next to nothing is computed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge.models.heads import Head
from edge.models.runtime.detector import Candidates

CANDIDATES = 512  # a picture, the best
_MAX_LOG_SCALE = 10.0  # as in edge.models.decode

_Floats = npt.NDArray[np.float32]


def decode_maps(
    maps: Sequence[_Floats], heads: Sequence[Head], least_score: float
) -> list[Candidates]:
    """Each image's candidates with at least `least_score`, from maps (N, A x (5 + classes), H, W).

    A score is objectness times the best class's probability. NaN is no score.
    """
    found = []
    for index in range(len(maps[0])):
        rows = np.concatenate(
            [_rows(raw[index], head, least_score) for raw, head in zip(maps, heads, strict=True)]
        )
        best_first = np.argsort(-rows[:, 0], kind="stable")[:CANDIDATES]
        found.append(rows[best_first])
    return found


def _rows(raw: _Floats, head: Head, least_score: float) -> _Floats:
    """The candidates (K, 6) of one head's map (A x (5 + classes), H, W)."""
    channels, height, width = raw.shape
    boxes = raw.reshape(len(head.anchors), channels // len(head.anchors), height * width)
    # The score can't exceed the objectness, so the other numbers matter for few boxes.
    anchors, cells = np.nonzero(boxes[:, 4] >= _least_objectness(least_score, head.activated))
    numbers = boxes[anchors, :, cells]
    probabilities = numbers[:, 4:] if head.activated else _sigmoid(numbers[:, 4:])
    labels = probabilities[:, 1:].argmax(axis=1)
    scores = probabilities[:, 0] * probabilities[np.arange(len(labels)), 1 + labels]
    strong = scores >= least_score
    numbers, scores, labels = numbers[strong], scores[strong], labels[strong]
    if head.activated:
        within, scale = numbers[:, :2], (2 * numbers[:, 2:4]) ** 2
    else:
        within = _sigmoid(numbers[:, :2])
        scale = np.exp(np.minimum(numbers[:, 2:4], np.float32(_MAX_LOG_SCALE)))
    rows_down, columns = np.divmod(cells[strong], width)
    cell = np.stack((columns, rows_down), axis=1).astype(np.float32)
    stretch = np.float32(head.scale_xy)
    centre = (within * stretch - (stretch - 1) / 2 + cell) * np.float32(head.stride)
    half = scale * np.array(head.anchors, dtype=np.float32)[anchors[strong]] / 2
    return np.column_stack((scores, labels, centre - half, centre + half)).astype(np.float32)


def _least_objectness(least_score: float, activated: bool) -> float:
    if activated:
        return least_score
    if least_score <= 0.0:
        return -np.inf
    if least_score >= 1.0:
        return np.inf
    # A little less: rounding must not lose a box whose score is just the least one.
    return float(np.log(least_score / (1 - least_score))) - 1e-3


def _sigmoid(x: _Floats) -> _Floats:
    with np.errstate(over="ignore"):  # of exp(88): the result, 0, is right
        return np.float32(1) / (np.float32(1) + np.exp(-x))
