"""The exact solver: proofs, and what stops it."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings

from edge.scheduling.plan import CycleStep, Plan
from edge.scheduling.plan_check import violations
from edge.scheduling.problem import CyclesError, Problem, ProblemClient, ProblemVariant
from edge.scheduling.solvers import exact
from tests.scheduling.solvers.problems import problems, small


def best_of_one_gpu(problem: Problem) -> tuple[int, float]:
    """Served clients and accuracy over all single cycles, by trying every set of clients."""
    best = (0, 0.0)
    for variant, each in enumerate(problem.variants):
        for batch in range(1, len(each.latency_ms) + 1):
            for count in range(1, len(problem.clients) + 1):
                for clients in itertools.combinations(range(len(problem.clients)), count):
                    step = CycleStep(variant, batch, clients)
                    plan = Plan(problem, "exact", "single", ((step,),))
                    if not violations(problem, plan, "single"):
                        best = max(best, (plan.served, plan.accuracy))
    return best


@settings(max_examples=20, deadline=None)
@given(problem=problems(max_clients=4, max_variants=3))
def test_no_plan_of_one_gpu_is_better(problem: Problem) -> None:
    problem = replace(problem, gpus=1, current=None)
    cycles, is_proved = exact.solve(problem, "single", 30.0)
    plan = Plan(problem, "exact", "single", tuple(cycles) or ((),))
    assert is_proved
    served, accuracy = best_of_one_gpu(problem)
    assert plan.served == served
    assert plan.accuracy == pytest.approx(accuracy, abs=1e-5)


def test_too_many_possible_cycles_are_refused() -> None:
    variants = tuple(ProblemVariant(f"v{n}", 0.5, (1.0,) * 8) for n in range(12))
    problem = Problem(1, variants, (ProblemClient("a", 10.0, (100.0,) * 12),))
    with pytest.raises(CyclesError, match="too many"):
        exact.solve(problem, "shared", 1.0)


def test_without_gpus_or_clients_the_empty_plan_is_proved() -> None:
    assert exact.solve(replace(small(), gpus=0), "single", 1.0) == ([], True)
    assert exact.solve(replace(small(), clients=()), "single", 1.0) == ([], True)
