"""The controller's solver: the shortest batches that suffice, and nothing random."""

from __future__ import annotations

from dataclasses import replace

from edge.scheduling.plan import Plan
from edge.scheduling.plan_check import violations
from edge.scheduling.problem import Problem, ProblemClient, ProblemVariant
from edge.scheduling.solvers import auto
from tests.scheduling.solvers.problems import corners, small


def test_batches_are_no_longer_than_their_clients_need() -> None:
    variant = ProblemVariant("v", 0.5, (5.0, 6.0, 7.0, 8.0))
    problem = Problem(1, (variant,), (ProblemClient("a", 25.0, (90.0,)),))
    ((step,),) = auto.solve(problem, "single")
    assert step.batch == 1  # larger ones would carry more, but nobody needs that
    busy = replace(problem, clients=tuple(ProblemClient(str(n), 25.0, (90.0,)) for n in range(12)))
    ((step,),) = auto.solve(busy, "single")
    assert (step.batch, len(step.clients)) == (2, 12)  # 300 fps, below 2 / 6 ms


def test_the_same_problem_has_the_same_cycles() -> None:
    problem = corners()["many clients"]
    assert auto.solve(problem, "shared") == auto.solve(problem, "shared")


def test_only_rule_shared_lets_variants_share_a_gpu() -> None:
    clients = (*small().clients[:2], ProblemClient("far", 10.0, (30.0, 0.0)))
    problem = replace(small(), gpus=1, clients=clients)
    assert [len(cycle) for cycle in auto.solve(problem, "single")] == [1]
    assert [len(cycle) for cycle in auto.solve(problem, "shared")] == [2]


def test_cycles_are_one_a_gpu_at_most_and_obey() -> None:
    problem = corners()["many clients"]
    cycles = auto.solve(problem, "shared")
    assert 0 < len(cycles) <= problem.gpus
    idle = [()] * (problem.gpus - len(cycles))
    plan = Plan(problem, "auto", "shared", (*cycles, *idle))
    assert violations(problem, plan, "shared") == []


def test_without_gpus_or_anybody_to_serve_there_are_no_cycles() -> None:
    assert auto.solve(replace(small(), gpus=0), "shared") == []
    nobody = tuple(replace(client, budget_ms=(0.0, 0.0)) for client in small().clients)
    assert auto.solve(replace(small(), clients=nobody), "shared") == []
