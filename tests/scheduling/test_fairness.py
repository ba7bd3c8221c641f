"""A floor under each client's accuracy, kept as long as nobody goes without for it."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.scheduling.fairness import alone, least_share, solve_fairly, with_floor
from edge.scheduling.plan import Plan
from edge.scheduling.plan_check import violations
from edge.scheduling.problem import Problem, ProblemClient, ProblemVariant
from edge.scheduling.solvers import solve
from tests.scheduling.solvers.problems import corners, problems

SHARED = partial(solve, algorithm="auto", rule="shared")
# One alone may have the large one; together, one of them large and one small sees more in all than
# both in the middle.
TWO = Problem(
    gpus=1,
    variants=(
        ProblemVariant("small", 0.30, (5.0,)),
        ProblemVariant("middle", 0.50, (15.0, 30.0)),
        ProblemVariant("large", 0.80, (25.0,)),
    ),
    clients=tuple(ProblemClient(name, 25.0, (60.0, 60.0, 60.0)) for name in "ab"),
)


def shares(plan: Plan) -> list[float]:
    best = alone(plan.problem)
    return sorted(
        plan.problem.accuracy(plan.problem.clients[client], variant) / best[client]
        for client, variant in plan.variant_of.items()
    )


def test_alone_is_the_best_variant_whose_batch_comes_in_time_and_carries_the_rate() -> None:
    variants = (
        ProblemVariant("quick", 0.3, (10.0,)),
        ProblemVariant("good", 0.6, (30.0, 45.0)),
        ProblemVariant("best", 0.9, (90.0,)),
    )
    clients = (
        ProblemClient("in time", 10.0, (200.0, 60.0, 179.0)),
        ProblemClient("too many frames for batches of one", 40.0, (200.0, 90.0, 200.0)),
        ProblemClient("too late for batches of two", 40.0, (200.0, 89.0, 200.0)),
        ProblemClient("never", 10.0, (19.0, 0.0, -5.0)),
        ProblemClient("of its own pictures", 1.0, (200.0, 200.0, 200.0), (0.7, 0.6, 0.5)),
    )
    assert alone(Problem(1, variants, clients)).tolist() == [0.6, 0.6, 0.3, 0.0, 0.7]
    assert alone(Problem(0, variants, clients)).tolist() == [0.0] * 5


def test_the_mean_alone_lets_one_pay_for_another() -> None:
    assert shares(SHARED(TWO)) == pytest.approx([0.3 / 0.8, 1.0])
    assert solve_fairly(TWO, 0.0, SHARED) == SHARED(TWO)


@pytest.mark.parametrize("floor", [0.5, 0.6, 0.7, 1.0])
def test_a_floor_that_all_can_have_or_the_highest_that_they_can(floor: float) -> None:
    """Half and 0.6 of 0.8 can be kept with the middle one; more cannot, and this is next."""
    plan = solve_fairly(TWO, floor, SHARED)
    assert shares(plan) == pytest.approx([0.5 / 0.8] * 2)
    assert plan.problem is TWO
    assert not violations(TWO, plan, "shared")


def test_nobody_goes_without_for_a_floor() -> None:
    crowd = Problem(
        1,
        (TWO.variants[0], TWO.variants[2]),
        tuple(ProblemClient(n, 15.0, (60.0, 60.0)) for n in "abcdef"),
    )
    assert solve_fairly(crowd, 1.0, SHARED).served == SHARED(crowd).served


def test_a_plan_that_keeps_the_floor_is_solved_once() -> None:
    solved = []

    def counted(problem: Problem) -> Plan:
        solved.append(problem)
        return SHARED(problem)

    solve_fairly(TWO, 0.3, counted)
    assert solved == [TWO]
    solve_fairly(TWO, 1.0, counted)
    assert len(solved) <= 6


@given(problems(), st.floats(0.0, 1.0))
def test_it_serves_as_many_at_no_lower_least_share(problem: Problem, floor: float) -> None:
    plain, fair = SHARED(problem), solve_fairly(problem, floor, SHARED)
    assert fair.served >= plain.served
    assert not violations(problem, fair, "shared")
    if fair.served == plain.served:
        assert least_share(fair) >= min(floor, least_share(plain)) - 1e-9


@pytest.mark.parametrize("name", corners())
def test_at_the_corners(name: str) -> None:
    problem = corners()[name]
    assert len(alone(problem)) == len(problem.clients)
    assert with_floor(problem, 0.0) == problem
    assert not violations(problem, solve_fairly(problem, 0.9, SHARED), "shared")
