"""Curves over bits that never fall, on a grid between measured points."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.profile.accuracy_surface import AccuracyCurve, Point, build
from edge.profile.variant import LONG_SIDES

CURVE = AccuracyCurve(first=0.0, step=1.0, values=[0.2, 0.6, 0.8])  # at 1, e, e^2 bits a pixel


def test_a_curve_is_linear_in_the_logarithm_and_ends_flat() -> None:
    assert CURVE.at(np.e**0.5) == pytest.approx(0.4)
    assert CURVE.at(np.e**2) == pytest.approx(0.8)
    assert CURVE.at(1e6) == pytest.approx(0.8)


def test_below_the_first_point_f1_falls_in_proportion_to_the_bits() -> None:
    assert CURVE.at(0.5) == pytest.approx(0.1)
    assert CURVE.at(0.0) == 0.0


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.9, 1.0])
def test_enough_bits_reach_the_share_of_the_last_value(share: float) -> None:
    assert CURVE.at(CURVE.enough(share)) == pytest.approx(share * 0.8)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([128, 224, 416, 608]),
            st.floats(0.001, 10.0),
            st.dictionaries(st.sampled_from([128, 416, 608]), st.floats(0.0, 1.0), min_size=1),
        ),
        min_size=1,
        max_size=10,
    ),
    st.sampled_from(LONG_SIDES),
    st.integers(64, 800),
)
def test_a_grid_stays_within_0_and_1_and_never_falls_with_bits_nor_with_the_sent_size(
    points: list[tuple[int, float, dict[int, float]]], input_side: int, sent_side: int
) -> None:
    grid = build([[Point(*point) for point in points]])
    curve = grid.curve(sent_side, input_side)
    values = [curve.at(0.0005 * 1.5**step) for step in range(30)]
    assert all(0.0 <= value <= 1.0 + 1e-9 for value in values)
    assert all(a <= b + 1e-9 for a, b in pairwise(values))
    larger = grid.curve(sent_side + 50, input_side)
    assert all(a <= larger.at(0.0005 * 1.5**step) + 1e-9 for step, a in enumerate(values))


def test_a_sure_point_counts_more_than_one_that_is_not() -> None:
    unsure, sure = {416: (0.4, 0.8)}, {416: (0.49, 0.51)}
    points = [Point(416, 1.0, {416: 0.6}, unsure), Point(416, 2.0, {416: 0.5}, sure)]
    assert build([points]).curve(416, 416).at(1.5) == pytest.approx(0.5, abs=0.001)
    alike = [Point(416, 1.0, {416: 0.6}), Point(416, 2.0, {416: 0.5})]
    assert build([alike]).curve(416, 416).at(1.5) == pytest.approx(0.55)


def test_a_larger_picture_that_was_measured_worse_is_levelled_with_the_smaller_one() -> None:
    noisy = [Point(320, 1.0, {416: 0.6}), Point(416, 1.0, {416: 0.5}), Point(608, 1.0, {416: 0.7})]
    grid = build([noisy])
    found = [grid.curve(side, 416).at(1.0) for side in (320, 416, 608)]
    assert found == pytest.approx([0.55, 0.55, 0.7])


def test_a_table_has_the_curves_values() -> None:
    points = [Point(256, 0.1, {128: 0.2, 608: 0.4}), Point(512, 1.0, {128: 0.3, 608: 0.9})]
    grid = build([points])
    sides, bits = np.array([200.0, 300.0, 600.0]), np.array([0.05, 0.3, 2.0])
    table = grid.table(sides, bits, [0, LONG_SIDES.index(416)])
    for row, (side, amount) in enumerate(zip(sides, bits, strict=True)):
        expected = [grid.curve(side, long_side).at(amount) for long_side in (128, 416)]
        assert table[row].tolist() == pytest.approx(expected)


def test_clips_count_alike_whatever_their_number_of_points() -> None:
    few = [Point(416, 1.0, {416: 0.2})]
    many = [Point(416, bits, {416: 0.8}) for bits in (1.0, 1.0, 1.0)]
    assert build([few, many]).curve(416, 416).at(1.0) == pytest.approx(0.5)
