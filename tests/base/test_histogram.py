"""Histograms and quantile sketches."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.base.histogram import BOUNDS_MS, Histogram, QuantileSketch


@given(st.lists(st.floats(0.1, 1e5), min_size=1, max_size=200), st.floats(0.01, 1.0))
def test_a_sketchs_quantile_is_right_within_its_step(values: list[float], q: float) -> None:
    sketch = QuantileSketch()
    for value in values:
        sketch.add(value)
    exact = sorted(values)[math.ceil(q * len(values)) - 1]
    assert sketch.quantile(q) == pytest.approx(exact, rel=0.026)


@given(st.lists(st.floats(0.0, 1e5), max_size=200))
def test_a_histogram_counts_each_value_once(values: list[float]) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    assert sum(histogram.counts) == len(values)
    for index, bound in enumerate(BOUNDS_MS):
        assert sum(histogram.counts[: index + 1]) == sum(value <= bound for value in values)
    assert histogram.sum_ms == pytest.approx(sum(values))
