"""The search over columns, against all choices of small problems."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings

from edge.scheduling.problem import Problem
from edge.scheduling.solvers import greedy
from edge.scheduling.solvers.column_search import ColumnSearch
from edge.scheduling.solvers.problem_arrays import ProblemArrays
from tests.scheduling.solvers.problems import problems, small


def search(problem: Problem, effort: float = 25e6) -> ColumnSearch:
    return ColumnSearch(ProblemArrays(problem), effort)


def value(found: ColumnSearch, *choice: int) -> float:
    columns = np.array(sorted(choice))
    left = np.zeros_like(columns)
    return float(greedy.judge(columns, left, found.worth, found.weight, found.capacity))


def test_choices_come_best_first() -> None:
    found = search(small())
    values = [value(found, *choice) for choice in found.run()]
    assert values == sorted(values, reverse=True)
    assert len(values) > 1 or values[0] == pytest.approx(found.bound)


@settings(max_examples=40, deadline=None)
@given(problem=problems(max_clients=8, max_variants=2, max_gpus=2))
def test_the_best_choice_of_a_small_problem_is_found(problem: Problem) -> None:
    arrays = ProblemArrays(problem)
    if not problem.gpus or not len(arrays.columns.variant):
        return
    found = ColumnSearch(arrays, 25e6)
    best = max(
        value(found, *choice)
        for choice in itertools.combinations_with_replacement(
            range(len(found.capacity)), problem.gpus
        )
    )
    assert value(found, *found.run()[0]) >= best - 0.01
    assert best <= found.bound + 1e-9


def test_a_search_without_effort_still_has_a_choice_for_each_gpu() -> None:
    found = search(small(), effort=2 * 3)  # one choice
    (choice,) = found.run()
    assert len(choice) == 2
