"""Points combined over longer times."""

from __future__ import annotations

from edge.observability.history.points import combine, to_columns


def test_levels_are_means_peaks_the_worst_and_counts_a_second() -> None:
    seconds: list[dict[str, float | None]] = [
        {"sessions": 1.0, "strain_p99": 0.4, "answered": 10.0, "link_min": 3.0, "util_0": 0.5},
        {"sessions": 2.0, "strain_p99": None, "answered": 20.0, "link_min": None, "util_0": 0.7},
        {"sessions": 3.0, "strain_p99": 0.9, "answered": 0.0, "link_min": 2.0, "lag_ms": 7.0},
        {"sessions": 2.0, "strain_p99": 0.6, "answered": None, "link_min": 5.0, "lag_ms": None},
    ]
    assert combine(seconds) == {
        "sessions": 2.0,
        "strain_p99": 0.9,
        "answered": 7.5,
        "link_min": 2.0,
        "util_0": 0.6,
        "lag_ms": 7.0,
    }


def test_what_was_never_measured_has_no_value() -> None:
    assert combine([{"link_p50": None}, {"link_p50": None}]) == {"link_p50": None}


def test_rows_become_columns_of_longer_steps_and_gaps_stay() -> None:
    rows = [(10.0 * n, {"sessions": float(n)}) for n in (0, 1, 2, 3, 30)]
    columns = to_columns(rows, 20.0)
    assert columns == {"t": [10.0, 30.0, 300.0], "sessions": [0.5, 2.5, 30.0]}
    assert to_columns([], 20.0) == {"t": []}


def test_a_column_that_came_later_is_empty_before() -> None:
    columns = to_columns([(0.0, {"a": 1.0}), (60.0, {"a": 2.0, "b": 3.0})], 60.0)
    assert columns["b"] == [None, 3.0]
