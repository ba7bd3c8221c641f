"""Points in polygons, and ways over lines."""

from __future__ import annotations

import pytest

from edge.tracking.geometry import Polygon, meets, side_distance

L_SHAPE = [(0.1, 0.1), (0.9, 0.1), (0.9, 0.4), (0.4, 0.4), (0.4, 0.9), (0.1, 0.9)]


@pytest.mark.parametrize("corners", [L_SHAPE, L_SHAPE[::-1], [*L_SHAPE[3:], *L_SHAPE[:3]]])
def test_a_polygon_may_be_concave_and_begin_anywhere(corners: list[tuple[float, float]]) -> None:
    points = [(0.2, 0.2), (0.8, 0.2), (0.2, 0.8), (0.8, 0.8), (0.95, 0.2), (0.2, 0.05)]
    polygon = Polygon(corners)
    assert [polygon.contains(point) for point in points] == [True, True, True, False, False, False]


def test_a_point_at_the_height_of_a_corner() -> None:
    diamond = Polygon([(0.5, 0.1), (0.9, 0.5), (0.5, 0.9), (0.1, 0.5)])
    points = [(0.3, 0.5), (0.05, 0.5), (0.95, 0.5), (0.15, 0.2), (0.5, 0.9001)]
    assert [diamond.contains(point) for point in points] == [True, False, False, False, False]


def test_right_of_a_line_is_below_where_it_runs_to_the_right() -> None:
    assert side_distance((0.0, 0.5), (1.0, 0.5), (0.5, 0.7)) == pytest.approx(0.2)
    assert side_distance((0.0, 0.5), (1.0, 0.5), (0.5, 0.3)) == pytest.approx(-0.2)
    assert side_distance((1.0, 0.2), (0.2, 0.8), (0.0, 0.2)) == pytest.approx(0.6)


def test_a_way_around_the_end_does_not_meet_the_line() -> None:
    start, end = (0.2, 0.5), (0.6, 0.5)
    assert meets(start, end, (0.4, 0.4), (0.4, 0.6))
    assert meets(start, end, (0.3, 0.3), (0.5, 0.9))
    assert not meets(start, end, (0.7, 0.4), (0.7, 0.6))
    assert not meets(start, end, (0.1, 0.4), (0.15, 0.6))
