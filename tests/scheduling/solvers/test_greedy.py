"""The compiled loops of the column search."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from edge.scheduling.capacity_rules import Integers
from edge.scheduling.solvers import greedy

WORTH = np.array([[1.5, 1.1], [1.5, 1.1], [0.0, 1.1]])
WEIGHT = np.array([4, 3, 2])
CAPACITY = np.array([5, 9])


def value(*choice: int) -> float:
    columns = np.array(choice)
    return float(greedy.judge(columns, np.zeros_like(columns), WORTH, WEIGHT, CAPACITY))


def test_a_choice_is_worth_its_clients_where_each_fits_best() -> None:
    assert value(0) == pytest.approx(1.5)  # one fits, the third is not allowed
    assert value(1) == pytest.approx(3.3)
    assert value(0, 1) == pytest.approx(1.5 + 1.1 + 1.1)
    assert value(0, 0) == pytest.approx(3.0)


def test_building_adds_the_column_that_gains_most() -> None:
    choice = np.zeros(2, dtype=np.int64)
    greedy.build(choice, WORTH, WEIGHT, CAPACITY, np.zeros((2, 2), dtype=np.int64))
    assert choice.tolist() == [0, 1]
    single = np.zeros(1, dtype=np.int64)
    greedy.build(single, WORTH, WEIGHT, CAPACITY, np.zeros((2, 1), dtype=np.int64))
    assert single.tolist() == [1]


class Memory:
    """The arrays that the loops share, for choices of two columns."""

    def __init__(self, most: int = 100, kept: int = 4) -> None:
        self.kept, self.values = np.zeros((kept, 2), dtype=np.int64), np.zeros(kept)
        self.followed, self.count = np.zeros(kept, dtype=np.bool_), np.array([0, most])
        self.scratch = np.zeros((2, 2), dtype=np.int64)
        self.everything = (
            WORTH,
            WEIGHT,
            CAPACITY,
            np.array([11, 1013]),
            np.zeros(64, dtype=np.int64),
            self.kept,
            self.values,
            self.followed,
            self.count,
            self.scratch,
        )


def attempt(memory: Memory, choice: Integers, place: int, column: int) -> float:
    return float(greedy.attempt(choice, place, column, place, column, *memory.everything))


def test_no_choice_is_judged_twice_whatever_its_order() -> None:
    memory = Memory()
    assert attempt(memory, np.array([0, 0]), 1, 1) == pytest.approx(3.7)
    assert attempt(memory, np.array([1, 1]), 1, 0) == -1.0
    assert memory.count.tolist() == [1, 99]


def test_nothing_is_judged_once_the_effort_is_spent() -> None:
    assert attempt(Memory(most=0), np.array([0, 0]), 0, 0) == -1.0


def test_the_best_choices_are_kept_best_first() -> None:
    memory = Memory(kept=2)
    for first, second in itertools.product((0, 1), repeat=2):
        attempt(memory, np.array([first, second]), 0, first)
    assert memory.kept.tolist() == [[0, 1], [1, 1]]
    assert memory.values.tolist() == pytest.approx([3.7, 3.3])


def test_a_sweep_replaces_columns_until_nothing_is_gained() -> None:
    memory = Memory()
    choice = np.array([0, 0])
    found = greedy.sweep(choice, value(0, 0), *memory.everything)
    assert found == pytest.approx(3.7)
    assert choice.tolist() == [0, 1]
