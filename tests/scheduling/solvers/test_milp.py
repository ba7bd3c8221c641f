"""Mixed-integer programs by HiGHS."""

from __future__ import annotations

import pytest

from edge.scheduling.solvers.milp import MixedIntegerProgram, TimeLimit


def test_a_knapsack_is_solved_in_whole_numbers(capfd: pytest.CaptureFixture[str]) -> None:
    program = MixedIntegerProgram()
    items = [(60.0, 10.0), (100.0, 20.0), (120.0, 30.0)]
    capacity = program.row(50.0)
    for worth, weight in items:
        program.put(capacity, program.variable(worth, 1.0), weight)
    solved = program.solve(10.0)
    assert solved is not None
    values, bound, is_optimal = solved
    assert [round(value) for value in values] == [0, 1, 1]
    assert bound == pytest.approx(220.0)
    assert is_optimal
    assert capfd.readouterr().out == ""  # where plans go


def test_upper_limits_hold() -> None:
    program = MixedIntegerProgram()
    variable = program.variable(1.0, 3.0)
    program.put(program.row(100.0), variable, 1.0)
    solved = program.solve(10.0)
    assert solved is not None
    assert solved[0] == [pytest.approx(3.0)]


def test_a_time_limit_counts_down() -> None:
    limit = TimeLimit(100.0)
    first = limit.left_s
    assert first <= 100.0
    assert limit.left_s <= first
    assert TimeLimit(0.0).left_s <= 0.0
