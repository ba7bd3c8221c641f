"""Jellyfish's solver: one variant a GPU, the same plan for the same seed."""

from __future__ import annotations

from dataclasses import replace

from edge.scheduling.plan import CycleStep, Plan
from edge.scheduling.plan_check import violations
from edge.scheduling.problem import Problem, ProblemClient, ProblemVariant
from edge.scheduling.solvers import sa_dp
from tests.scheduling.solvers.problems import corners, small


def test_each_gpu_runs_one_variant_and_no_client_is_served_twice() -> None:
    steps = sa_dp.solve(small())
    assert len(steps) <= small().gpus
    plan = Plan(small(), "sa-dp", "single", tuple((step,) for step in steps))
    assert violations(small(), plan, "single") == []
    assert plan.served == 3


def test_the_seed_decides_and_nothing_else() -> None:
    problem = corners()["many clients"]
    assert sa_dp.solve(problem) == sa_dp.solve(problem)


def test_a_variant_is_filled_with_as_much_frame_rate_as_it_takes() -> None:
    """By falling budget alone 40 and 30 fps would be chosen; 50 and 45 fill more."""
    rates = (40.0, 50.0, 45.0, 30.0)
    clients = tuple(ProblemClient(f"{fps:g}", fps, (90.0,)) for fps in rates)
    problem = Problem(1, (ProblemVariant("v", 0.5, (10.0,)),), clients)
    (step,) = sa_dp.solve(problem)
    assert step == CycleStep(0, 1, (1, 2))


def test_the_smallest_batch_that_carries_the_load_is_taken() -> None:
    clients = tuple(ProblemClient(str(n), 25.0, (90.0,)) for n in range(10))
    problem = Problem(1, small().variants[:1], clients)
    (step,) = sa_dp.solve(problem)
    assert (step.batch, len(step.clients)) == (2, 10)  # 250 fps: over 1 / 5 ms, below 2 / 6 ms


def test_accuracy_is_sought_once_all_are_served() -> None:
    near = replace(small(), clients=small().clients[:1], gpus=1)
    (step,) = sa_dp.solve(near)
    assert near.variants[step.variant].name == "large"


def test_without_gpus_variants_or_clients_there_are_no_steps() -> None:
    assert sa_dp.solve(replace(small(), gpus=0)) == []
    assert sa_dp.solve(Problem(1, (), ())) == []
    assert sa_dp.solve(replace(small(), clients=())) == []
