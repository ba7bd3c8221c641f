"""Points in polygons, and ways over lines."""

from __future__ import annotations

import numpy as np
import pytest

from edge.tracking.geometry import Polygon, meets, side_distances

L_SHAPE = [(0.1, 0.1), (0.9, 0.1), (0.9, 0.4), (0.4, 0.4), (0.4, 0.9), (0.1, 0.9)]


@pytest.mark.parametrize("corners", [L_SHAPE, L_SHAPE[::-1], [*L_SHAPE[3:], *L_SHAPE[:3]]])
def test_a_polygon_may_be_concave_and_begin_anywhere(corners: list[tuple[float, float]]) -> None:
    points = [(0.2, 0.2), (0.8, 0.2), (0.2, 0.8), (0.8, 0.8), (0.95, 0.2), (0.2, 0.05)]
    inside = Polygon(corners).contains(np.array(points)).tolist()
    assert inside == [True, True, True, False, False, False]


def test_a_point_at_the_height_of_a_corner() -> None:
    diamond = Polygon([(0.5, 0.1), (0.9, 0.5), (0.5, 0.9), (0.1, 0.5)])
    assert diamond.contains(np.array([(0.3, 0.5), (0.05, 0.5), (0.95, 0.5)])).tolist() == [
        True,
        False,
        False,
    ]


def test_right_of_a_line_is_below_where_it_runs_to_the_right() -> None:
    below, above = np.array([(0.5, 0.7), (0.5, 0.3)])
    distances = side_distances((0.0, 0.5), (1.0, 0.5), np.array([below, above]))
    assert distances.tolist() == pytest.approx([0.2, -0.2])


def test_a_way_around_the_end_does_not_meet_the_line() -> None:
    start, end = (0.2, 0.5), (0.6, 0.5)
    assert meets(start, end, (0.4, 0.4), (0.4, 0.6))
    assert meets(start, end, (0.3, 0.3), (0.5, 0.9))
    assert not meets(start, end, (0.7, 0.4), (0.7, 0.6))
    assert not meets(start, end, (0.1, 0.4), (0.15, 0.6))
