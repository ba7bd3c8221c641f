"""Problems as arrays: the unit in which loads are counted."""

from __future__ import annotations

import random

import numpy as np
import pytest

from edge.scheduling.plan_check import violations
from edge.scheduling.problem import Problem, ProblemClient, ProblemVariant
from edge.scheduling.solvers import Algorithm, solve
from edge.scheduling.solvers.problem_arrays import STEPS, ProblemArrays


def problem(rates: list[float], batch_ms: float = 10.0) -> Problem:
    """Clients of any budget for one variant whose throughput grows with its batch."""
    variants = (
        ProblemVariant("small", 0.5, tuple(batch_ms + size for size in range(8))),
        ProblemVariant("large", 0.7, tuple(3 * (batch_ms + size) for size in range(8))),
    )
    chance = random.Random(1)
    clients = tuple(
        ProblemClient(str(index), rate, (chance.uniform(0, 1e6), chance.uniform(0, 1e6)))
        for index, rate in enumerate(rates)
    )
    return Problem(4, variants, clients)


def odd_rates() -> list[float]:
    chance = random.Random(2)
    odd = [round(chance.uniform(0.5, 60.0), 6) for _ in range(80)]
    return [k / 0.7 for k in (10, 15, 24, 25, 30)] * 16 + odd


def test_common_divisor_is_the_unit_and_nothing_is_rounded() -> None:
    arrays = ProblemArrays(problem([10.0, 15.0, 25.0] * 20))
    assert arrays.unit == 5_000_000
    assert set(arrays.weight.tolist()) == {2, 3, 5}


def test_rates_that_are_multiples_but_for_rounding_lose_next_to_nothing() -> None:
    arrays = ProblemArrays(problem([10 / 0.7, 15 / 0.7, 25 / 0.7] * 20))
    assert set(arrays.weight.tolist()) == {2, 3, 5}


@pytest.mark.parametrize("batch_ms", [10.0, 1e-6])
def test_odd_rates_are_counted_in_few_steps_on_the_safe_side(batch_ms: float) -> None:
    arrays = ProblemArrays(problem(odd_rates(), batch_ms))
    units = arrays.load_units(arrays.columns.capacity)
    # Every dynamic programme is over the loads of one bin, so this bounds its cells.
    assert 0 < units.max() <= STEPS + len(arrays.rate)
    assert (arrays.weight * arrays.unit >= arrays.rate).all()
    assert (units * arrays.unit <= arrays.columns.capacity).all()
    assert np.gcd.reduce(arrays.rate) == 1


def test_odd_rates_lose_little_where_capacity_is_scarce() -> None:
    arrays = ProblemArrays(problem(odd_rates()))
    assert arrays.weight.sum() * arrays.unit < arrays.rate.sum() * 1.02


@pytest.mark.parametrize("algorithm", ["auto", "sa-dp"])
def test_odd_rates_are_solved(algorithm: Algorithm) -> None:
    odd = problem(odd_rates()[72:88])
    for rule in ("single", "shared"):
        plan = solve(odd, algorithm, rule)
        assert violations(odd, plan, rule) == []
        assert plan.served == 16
