"""Minimum, quantile and bitrate over the latest values."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.base.sliding_windows import BitrateWindow, MinimumWindow, QuantileWindow

timed_values = st.lists(
    st.tuples(st.floats(0, 1e4), st.floats(0, 500)), min_size=1, max_size=80
)  # (value, ms since the one before)


def test_a_minimum_leaves_with_its_window() -> None:
    window = MinimumWindow(1000.0, slices=10)
    assert window.minimum() is None
    window.add(1.0, 0.0)
    for now_ms in range(100, 1000, 10):
        window.add(5.0, float(now_ms))
    assert window.minimum() == 1.0
    for now_ms in range(1000, 2300, 10):
        window.add(5.0, float(now_ms))
    assert window.minimum() == 5.0


@given(timed_values)
def test_a_minimum_covers_the_window_and_at_most_a_slice_more(
    values: list[tuple[float, float]],
) -> None:
    window, now_ms, added = MinimumWindow(1000.0, slices=10), 0.0, list[tuple[float, float]]()
    for value, gap_ms in values:
        now_ms += gap_ms
        window.add(value, now_ms)
        added.append((now_ms, value))
        minimum = window.minimum()
        assert minimum is not None
        assert minimum <= min(v for ms, v in added if ms > now_ms - 900.0)
        assert minimum >= min(v for ms, v in added if ms >= now_ms - 1100.0)


@given(timed_values, st.floats(0, 1), st.integers(1, 80))
def test_a_quantile_is_that_of_the_sorted_recent_values(
    values: list[tuple[float, float]], q: float, every: int
) -> None:
    """However many values come between two questions."""
    window, now_ms, added = QuantileWindow(20, 1000.0), 0.0, list[tuple[float, float]]()
    for number, (value, gap_ms) in enumerate(values, start=1):
        now_ms += gap_ms
        window.add(value, now_ms)
        added.append((now_ms, value))
        if number % every and number < len(values):
            continue
        recent = sorted(v for ms, v in added[-20:] if ms >= now_ms - 1000.0)
        assert window.quantile(q) == recent[max(0, math.ceil(q * len(recent)) - 1)]
        assert len(window) == len(recent)


def test_a_quantile_without_an_age_limit_is_bounded_by_count() -> None:
    window = QuantileWindow(3)
    assert window.quantile(0.5) is None
    for value in (9.0, 1.0, 2.0, 3.0):
        window.add(value, 1e9 * value)
    assert (window.quantile(0.0), window.quantile(1.0)) == (1.0, 3.0)


def test_a_bitrate_counts_the_last_second() -> None:
    window = BitrateWindow(1000.0, max_count=100)
    assert window.newest_bps() == 0.0
    for index in range(20):
        window.add(1000.0, 100.0 * index)
    assert window.bps(1900.0) == pytest.approx(10_000.0)
    assert window.newest_bps() == window.bps(1900.0)
    assert window.bps(2400.0) == pytest.approx(5_000.0)
    assert window.bps(4000.0) == 0.0
    window.clear()
    assert (len(window), window.bps(1900.0)) == (0, 0.0)


def test_a_bitrate_window_is_bounded() -> None:
    window = BitrateWindow(1000.0, max_count=4)
    for index in range(10):
        window.add(100.0, float(index))
    assert len(window) == 4
    assert window.bps(9.0) == pytest.approx(400.0)
