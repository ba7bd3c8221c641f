"""Every solver's plans: they obey the rule, they add up, and the better solver is never worse."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings

from edge.scheduling.capacity_rules import Rule
from edge.scheduling.plan import Plan
from edge.scheduling.plan_check import violations
from edge.scheduling.problem import Problem, ProblemClient, ProblemVariant
from edge.scheduling.solvers import Algorithm, solve
from tests.scheduling.solvers.problems import corners, problems, small

SLIGHT = 1e-6  # less than the solvers can tell apart


def value(plan: Plan) -> tuple[int, float]:
    return plan.served, plan.accuracy


def at_least(plan: Plan, other: Plan) -> bool:
    return plan.served > other.served or (
        plan.served == other.served and plan.accuracy >= other.accuracy - SLIGHT
    )


@pytest.mark.parametrize("rule", ["single", "shared"])
@pytest.mark.parametrize("algorithm", ["auto", "sa-dp"])
@settings(max_examples=25, deadline=None)
@given(problem=problems())
def test_plans_obey_their_rule_and_add_up(
    algorithm: Algorithm, rule: Rule, problem: Problem
) -> None:
    plan = solve(problem, algorithm, rule)
    assert violations(problem, plan, rule) == []
    assert len(plan.gpus) == problem.gpus
    assert plan.served + len(plan.unserved) == len(problem.clients)
    assert plan.accuracy >= 0
    assert solve(problem, algorithm, rule).gpus == plan.gpus


@pytest.mark.parametrize("rule", ["single", "shared"])
@pytest.mark.parametrize("name", corners())
def test_corners_of_what_is_well_formed(name: str, rule: Rule) -> None:
    problem = corners()[name]
    plans = [solve(problem, algorithm, rule) for algorithm in ("sa-dp", "auto", "exact")]
    for plan in plans:
        assert violations(problem, plan, rule) == []
        assert plan.served + len(plan.unserved) == len(problem.clients)
    baseline, ours, best = plans
    assert at_least(ours, baseline)
    assert at_least(best, ours) or not best.is_proved


@pytest.mark.parametrize("rule", ["single", "shared"])
@settings(max_examples=10, deadline=None)
@given(problem=problems(max_clients=60, max_variants=6, max_gpus=8))
def test_many_clients(rule: Rule, problem: Problem) -> None:
    ours, baseline = (solve(problem, algorithm, rule) for algorithm in ("auto", "sa-dp"))
    assert violations(problem, ours, rule) == []
    assert violations(problem, baseline, rule) == []
    assert at_least(ours, baseline)


@pytest.mark.parametrize("rule", ["single", "shared"])
@settings(max_examples=15, deadline=None)
@given(problem=problems(max_clients=4, max_variants=2, max_gpus=2))
def test_exact_obeys_and_is_never_below_auto(rule: Rule, problem: Problem) -> None:
    exact = solve(problem, "exact", rule)
    assert violations(problem, exact, rule) == []
    assert exact.is_proved
    assert at_least(exact, solve(problem, "auto", rule))


@settings(max_examples=25, deadline=None)
@given(problem=problems())
def test_shared_is_never_below_single_nor_auto_below_sa_dp(problem: Problem) -> None:
    single = solve(problem, "auto", "single")
    assert at_least(solve(problem, "auto", "shared"), single)
    assert at_least(single, solve(problem, "sa-dp", "single"))


@pytest.mark.parametrize("algorithm", ["auto", "sa-dp", "exact"])
def test_small_problem_is_solved_as_by_hand(algorithm: Algorithm) -> None:
    plan = solve(small(), algorithm, "single")
    # 25 + 15 fps stay below 1 / 20 ms, both budgets are over 2 x 20 ms; the third fits the small.
    assert plan.served == 3
    assert plan.accuracy == pytest.approx((25 * 0.7 + 15 * 0.7 + 10 * 0.5) / 50)


def test_two_variants_share_a_gpu_where_one_cannot_serve_all_well() -> None:
    problem = replace(small(), gpus=1)
    single, shared = (solve(problem, "auto", rule) for rule in ("single", "shared"))
    assert single.accuracy == pytest.approx(0.5)
    # Far's budget of 20 ms leaves no room for a cycle with the large variant: 5 + 5 + 20.
    assert value(shared) == value(single)
    roomy = replace(
        problem, clients=(*problem.clients[:2], ProblemClient("far", 10.0, (30.0, 0.0)))
    )
    assert solve(roomy, "auto", "single").accuracy == pytest.approx(0.5)
    both = solve(roomy, "auto", "shared")
    assert [len(steps) for steps in both.gpus] == [2]
    assert both.accuracy == pytest.approx((25 * 0.7 + 25 * 0.5) / 50)
    assert value(both) == pytest.approx(value(solve(roomy, "exact", "shared")))


@pytest.mark.parametrize("algorithm", ["auto", "sa-dp", "exact"])
def test_budget_of_exactly_twice_the_latency_serves_and_rate_of_exactly_the_capacity_does_not(
    algorithm: Algorithm,
) -> None:
    def served(fps: float, budget_ms: float) -> int:
        only = Problem(
            1, (ProblemVariant("v", 0.5, (10.0,)),), (ProblemClient("c", fps, (budget_ms,)),)
        )
        return solve(only, algorithm).served

    assert served(99.999, 20.0) == 1
    assert served(99.999, 19.999) == 0
    assert served(100.0, 20.0) == 0


def test_a_clients_own_accuracies_decide() -> None:
    problem = small()
    near = replace(problem.clients[0], accuracy=(0.9, 0.1))
    plan = solve(replace(problem, clients=(near, *problem.clients[1:])), "auto", "single")
    assert plan.variant_of == {0: 0, 1: 1, 2: 0}


@pytest.mark.parametrize("algorithm", ["auto", "sa-dp", "exact"])
def test_current_keeps_variants_where_they_are(algorithm: Algorithm) -> None:
    for current in ((("large",), ("small",)), (("small",), ("large",))):
        plan = solve(replace(small(), current=current), algorithm, "single")
        assert plan.changes == 0
    assert solve(replace(small(), current=(("gone",), ())), algorithm, "single").changes == 2


def test_accuracy_counts_unserved_clients_but_not_those_without_any_budget() -> None:
    variant = ProblemVariant("v", 0.5, (10.0,))
    clients = (
        ProblemClient("served", 10.0, (20.0,)),
        ProblemClient("late", 30.0, (5.0,)),
        ProblemClient("cut off", 60.0, (0.0,)),
    )
    plan = solve(Problem(1, (variant,), clients))
    assert plan.unserved == ("late", "cut off")
    assert plan.accuracy == pytest.approx(10 * 0.5 / 40)
