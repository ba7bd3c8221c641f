"""Overlaps of boxes."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge.models.boxes import iou
from edge.tracking.overlap import Corners, grown, overlaps

BOX = st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.5), st.floats(0, 0.5)).map(
    lambda it: (it[0], it[1], it[0] + it[2], it[1] + it[3])
)
BOXES = st.lists(BOX, max_size=8)


TINY = (0.0, 0.0, 1e-200, 1e-200)


@given(BOXES, BOXES)
@example([TINY], [TINY])
def test_overlaps_are_those_of_every_pair(one: list[Corners], other: list[Corners]) -> None:
    found = {
        (row, column): value for row, column, value in overlaps(enumerate(one), enumerate(other))
    }
    assert list(found) == sorted(found)
    for row, a in enumerate(one):
        for column, b in enumerate(other):
            assert found.get((row, column), 0.0) == pytest.approx(iou(a, b))


def test_boxes_have_the_numbers_that_they_came_with() -> None:
    box = (0.1, 0.1, 0.3, 0.3)
    assert list(overlaps([(7, box)], [(3, (0.5, 0.5, 0.6, 0.6)), (5, box)])) == [(7, 5, 1.0)]


def test_boxes_without_area_overlap_nothing() -> None:
    empty = [(0, (0.5, 0.5, 0.5, 0.5)), (1, (0.9, 0.9, 0.1, 0.1)), (2, (0.0, 0.0, 1.0, 1.0))]
    assert [(row, column) for row, column, _ in overlaps(empty, empty)] == [(2, 2)]


def test_a_grown_box_keeps_its_centre() -> None:
    assert grown((0.4, 0.4, 0.6, 0.8), 0.5) == pytest.approx((0.3, 0.2, 0.7, 1.0))
