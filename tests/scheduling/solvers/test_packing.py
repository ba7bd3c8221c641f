"""Clients in bins: greedily, then pair by pair; against all packings of small problems."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.scheduling.capacity_rules import Integers
from edge.scheduling.solvers.greedy import Floats
from edge.scheduling.solvers.packing import Packing


def packing(worth: list[list[float]], weight: list[int], capacity: list[int]) -> Packing:
    return Packing(np.array(worth), np.array(weight), np.array(capacity))


def best_value(worth: Floats, weight: Integers, capacity: Integers) -> float:
    """Over all ways to put clients into bins or none."""
    clients, bins = worth.shape
    best = 0.0
    for places in itertools.product(range(bins + 1), repeat=clients):
        loads = [sum(int(weight[c]) for c, p in enumerate(places) if p == b) for b in range(bins)]
        values = [worth[c, p] for c, p in enumerate(places) if p < bins]
        if all(load <= most for load, most in zip(loads, capacity, strict=True)) and all(values):
            best = max(best, float(sum(values)))
    return best


def test_greedily_each_client_takes_the_bin_worth_most_that_has_room() -> None:
    packed = packing([[2.0, 1.0], [2.0, 1.0], [0.0, 1.0]], [3, 2, 1], [4, 3])
    packed.assign_greedily()
    assert packed.bin.tolist() == [0, 1, 1]
    assert packed.value == pytest.approx(4.0)


def test_a_client_that_fits_nowhere_is_unserved() -> None:
    packed = packing([[1.0], [1.0]], [3, 5], [4])
    packed.assign_greedily()
    assert packed.bin.tolist() == [0, packed.unserved]


def test_repacking_makes_room_that_the_greedy_order_missed() -> None:
    # The first client blocks the bin that two others fill exactly.
    packed = packing([[1.0], [1.0], [1.0]], [3, 2, 2], [4])
    packed.assign_greedily()
    assert packed.value == pytest.approx(1.0)
    packed.repack_pairs()
    assert packed.value == pytest.approx(2.0)
    assert packed.bin.tolist() == [packed.unserved, 0, 0]


worths = st.sampled_from([0.0, 1.0, 1.2, 1.5])


@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, 5).flatmap(
        lambda count: st.tuples(
            st.lists(st.tuples(worths, worths), min_size=count, max_size=count),
            st.lists(st.integers(1, 6), min_size=count, max_size=count),
        )
    ),
    st.tuples(st.integers(0, 9), st.integers(0, 9)),
)
def test_packings_fit_are_allowed_and_never_worse_than_greedy_nor_better_than_the_best(
    clients: tuple[list[tuple[float, float]], list[int]], capacities: tuple[int, int]
) -> None:
    worth, weight, capacity = np.array(clients[0]), np.array(clients[1]), np.array(capacities)
    packed = Packing(worth, weight, capacity)
    packed.assign_greedily()
    greedy = packed.value
    packed.repack_pairs()
    for place in range(2):
        inside = packed.bin == place
        assert weight[inside].sum() <= capacity[place]
        assert (worth[inside, place] > 0).all()
    assert greedy - 1e-9 <= packed.value <= best_value(worth, weight, capacity) + 1e-9


def test_one_bin_is_packed_optimally() -> None:
    weight = [7, 5, 4, 3, 6]
    worth = [[1.0 + w / 100] for w in weight]
    packed = packing(worth, weight, [12])
    packed.assign_greedily()
    packed.repack_pairs()
    best = best_value(np.array(worth), np.array(weight), np.array([12]))
    assert packed.value == pytest.approx(best)
