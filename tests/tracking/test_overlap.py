"""Overlaps of boxes as arrays."""

from __future__ import annotations

import numpy as np
import pytest

from edge.models.boxes import iou
from edge.tracking.overlap import grown, overlaps, to_corners, to_places


def test_overlaps_are_those_of_the_scalar_function() -> None:
    rng = np.random.default_rng(1)
    low = rng.uniform(0, 0.7, (2, 6, 2))
    one, other = np.concatenate((low, low + rng.uniform(0.05, 0.3, (2, 6, 2))), axis=2)
    table = overlaps(one, other)
    for row, a in enumerate(one.tolist()):
        for column, b in enumerate(other.tolist()):
            assert table[row, column] == pytest.approx(iou(tuple(a), tuple(b)))


def test_boxes_without_area_overlap_nothing() -> None:
    empty = np.array([[0.5, 0.5, 0.5, 0.5], [0.9, 0.9, 0.1, 0.1]])
    assert overlaps(empty, empty).tolist()[0] == [0.0, 0.0]


def test_places_and_corners_are_inverse() -> None:
    corners = np.array([[0.1, 0.2, 0.3, 0.6]])
    assert to_places(corners)[0] == pytest.approx([0.2, 0.4, 0.2, 0.4])
    assert to_corners(to_places(corners))[0] == pytest.approx(corners[0])


def test_a_grown_box_keeps_its_centre() -> None:
    assert grown(np.array([[0.4, 0.4, 0.6, 0.8]]), 0.5)[0] == pytest.approx([0.3, 0.2, 0.7, 1.0])
