"""Cycles of several variants: better where one variant cannot serve all clients well."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings

from edge.scheduling.plan import Cycle, CycleStep, Plan
from edge.scheduling.plan_check import violations
from edge.scheduling.problem import Problem, ProblemClient
from edge.scheduling.solvers.gpu_sharing import CycleImprover
from edge.scheduling.solvers.problem_arrays import ProblemArrays
from tests.scheduling.solvers.problems import problems, small

ROOMY = replace(
    small(), gpus=1, clients=(*small().clients[:2], ProblemClient("far", 10.0, (30.0, 0.0)))
)


def improved(problem: Problem, *cycles: Cycle, effort: float = 12e6) -> Plan:
    found = CycleImprover(ProblemArrays(problem), cycles, effort).run()
    idle = [()] * (problem.gpus - len(found))
    return Plan(problem, "auto", "shared", (*found, *idle))


def test_a_second_variant_joins_where_it_serves_a_client_better() -> None:
    all_small = (CycleStep(0, 1, (0, 1, 2)),)
    plan = improved(ROOMY, all_small)
    assert violations(ROOMY, plan, "shared") == []
    assert [len(cycle) for cycle in plan.gpus] == [2]
    assert plan.served == 3


def test_idle_gpus_take_unserved_clients() -> None:
    plan = improved(small())
    assert plan.served == 3
    assert violations(small(), plan, "shared") == []


def test_without_effort_nothing_changes() -> None:
    all_small = (CycleStep(0, 1, (0, 1, 2)),)
    assert improved(ROOMY, all_small, effort=0).gpus == (all_small,)


@settings(max_examples=30, deadline=None)
@given(problem=problems(max_clients=8))
def test_improved_plans_obey_and_serve_no_fewer_than_idle_ones(problem: Problem) -> None:
    if not problem.variants or not problem.clients or not problem.gpus:
        return
    plan = improved(problem)
    assert violations(problem, plan, "shared") == []
    again = improved(problem, *(cycle for cycle in plan.gpus if cycle))
    assert again.served >= plan.served
