"""Pairs of tracks and boxes."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from edge.tracking.assignment import MAX_EXACT, assign

Table = npt.NDArray[np.float64]


def pairs_of(table: Table, least: float) -> list[tuple[int, int]]:
    """The pairs of a table's values from `least` on."""
    return assign({pair: value for pair, value in np.ndenumerate(table) if value >= least})


def best_sum(table: Table, least: float) -> float:
    """By trying all."""
    table = np.where(table >= least, table, 0.0)
    if table.shape[0] > table.shape[1]:
        table = table.T
    rows = range(table.shape[0])
    return max(
        sum(float(table[row, column]) for row, column in zip(rows, columns, strict=True))
        for columns in permutations(range(table.shape[1]), len(rows))
    )


@given(
    st.integers(1, 5).flatmap(
        lambda rows: st.integers(1, 5).flatmap(
            lambda columns: st.lists(
                st.floats(0, 1), min_size=rows * columns, max_size=rows * columns
            ).map(lambda values: np.array(values).reshape(rows, columns))
        )
    )
)
def test_small_groups_are_paired_at_the_optimum(table: Table) -> None:
    pairs = pairs_of(table, 0.3)
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
    assert all(table[pair] >= 0.3 for pair in pairs)
    assert abs(sum(table[pair] for pair in pairs) - best_sum(table, 0.3)) < 1e-9


def test_the_best_pair_gives_way_where_two_others_gain_more() -> None:
    assert sorted(pairs_of(np.array([[0.9, 0.8], [0.8, 0.0]]), 0.2)) == [(0, 1), (1, 0)]


def test_a_crowd_is_paired_greedily() -> None:
    size = MAX_EXACT + 8
    table = np.full((size, size), 0.5)
    table[np.arange(size), np.arange(size)] = 0.9
    assert sorted(pairs_of(table, 0.3)) == [(index, index) for index in range(size)]


def test_nothing_to_pair() -> None:
    assert assign({}) == []
