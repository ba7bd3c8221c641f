"""How sure an F1 is: the bootstrap's percentile interval (Efron, 1979) over pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge.models.boxes import F1

_RESAMPLES = 1000
_LOW, _HIGH = 2.5, 97.5  # percentiles


def f1_interval(pictures: Sequence[F1]) -> tuple[float, float]:
    """The 95 % interval of the F1 of all pictures together, from the counts of each.

    Pictures are drawn with replacement, by a fixed seed. Those of a video resemble each other, so
    that the true interval is wider.
    """
    return _interval(_resampled(pictures))


def f1_loss_interval(exact: Sequence[F1], reduced: Sequence[F1]) -> tuple[float, float]:
    """That of the F1 of `exact` less that of `reduced`: of the same pictures, so drawn in pairs."""
    return _interval(_resampled(exact) - _resampled(reduced))


def _resampled(pictures: Sequence[F1]) -> NDArray[np.float64]:
    counts = np.array([(each.matched, each.found, each.truth) for each in pictures])
    drawn = np.random.default_rng(1).integers(0, len(counts), (_RESAMPLES, len(counts)))
    matched, found, truth = counts[drawn].sum(axis=1).T
    boxes = found + truth
    return np.where(boxes > 0, 2.0 * matched / np.maximum(boxes, 1), 1.0)


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.percentile(values, (_LOW, _HIGH))
    return float(low), float(high)
