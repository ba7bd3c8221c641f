"""Latencies between and beyond measured points, never falling along either axis."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.profile.latency_surface import build_surface, monotone


def test_rows_are_linear_between_flat_below_and_proportional_above() -> None:
    surface = build_surface({100: {1: 10.0}, 300: {1: 20.0}}, 1)
    rows = {pixels: surface.row(pixels).tolist() for pixels in (50, 100, 200, 300, 600)}
    assert rows == {50: [10.0], 100: [10.0], 200: [15.0], 300: [20.0], 600: [40.0]}


def test_an_unmeasured_batch_takes_the_lower_of_two_bounds() -> None:
    row = build_surface({100: {1: 10.0, 4: 24.0}}, 6).row(100).tolist()
    # Two take twice one, three at most what four take, five and six at four's cost an image.
    assert row == [10.0, 20.0, 24.0, 24.0, 30.0, 36.0]


def test_inferred_values_give_way_to_measured_ones_and_inversions_are_levelled_upward() -> None:
    table = np.array([[10.0, 30.0], [9.0, 25.0]])
    measured = np.array([[True, False], [True, True]])
    assert monotone(table, measured).tolist() == [[10.0, 25.0], [10.0, 25.0]]


@given(
    st.dictionaries(
        st.integers(1, 1000),
        st.dictionaries(st.integers(1, 6), st.floats(0.1, 1e4), min_size=1, max_size=4),
        min_size=1,
        max_size=5,
    ),
    st.lists(st.integers(1, 2000), min_size=2, max_size=6),
)
def test_no_surface_falls_and_no_measured_value_becomes_faster(
    measured: dict[int, dict[int, float]], pixels: list[int]
) -> None:
    surface = build_surface(measured, 6)
    rows = np.array([surface.row(each) for each in sorted(pixels)])
    tolerance = 1e-9 * rows.max()
    assert (np.diff(rows, axis=0) >= -tolerance).all()
    assert (np.diff(rows, axis=1) >= -tolerance).all()
    for each, batches in measured.items():
        row = surface.row(each)
        for batch, ms in batches.items():
            assert row[batch - 1] >= ms or row[batch - 1] == pytest.approx(ms)
