"""The plan checker finds every kind of violation, and nothing in plans on the very limit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.scheduling.capacity_rules import Rule
from edge.scheduling.plan import CycleStep, Plan
from edge.scheduling.plan_check import violations
from edge.scheduling.problem import Problem, ProblemClient, ProblemVariant
from tests.scheduling.solvers.problems import small

SMALL, LARGE = 0, 1
STEP = CycleStep(LARGE, 1, (0, 1))


def found(*cycle: CycleStep, problem: Problem | None = None, rule: Rule = "single") -> str:
    problem = problem or small()
    return "; ".join(violations(problem, Plan(problem, "auto", rule, (cycle, ())), rule))


def test_a_plan_that_obeys_has_no_violations() -> None:
    assert found(STEP) == ""
    assert found() == ""  # nobody is served


@pytest.mark.parametrize(
    ("cycle", "words"),
    [
        ((replace(STEP, batch=3),), "client 1 would be late"),
        ((replace(STEP, clients=(2,)),), "client 2 would be late"),
        ((replace(STEP, batch=5),), "no latency for a batch of 5"),
        ((STEP, CycleStep(SMALL, 1, (2,))), "2 variants"),
        ((STEP, STEP), "a variant twice"),
        ((replace(STEP, clients=(0, 0)),), "client 0 is served 2 times"),
        ((replace(STEP, clients=()),), "serves no client"),
    ],
)
def test_each_violation_is_named(cycle: tuple[CycleStep, ...], words: str) -> None:
    assert words in found(*cycle)


def test_too_high_a_rate_is_named() -> None:
    near, *others = small().clients
    fast = replace(small(), clients=(replace(near, fps=35.0), *others))
    assert "50.0 fps in batches of 1" in found(STEP, problem=fast)


def test_a_shared_cycle_makes_clients_wait_for_all_its_batches() -> None:
    cycle = (replace(STEP, clients=(0,)), CycleStep(SMALL, 1, (2,)))
    assert "small: client 2 would be late" in found(*cycle, rule="shared")  # 25 + 5 > 20 ms


def test_a_plan_for_another_number_of_gpus_is_named() -> None:
    (violation,) = violations(small(), Plan(small(), "auto", "single", ((),)), "single")
    assert violation == "1 GPUs in the plan, 2 in the problem"


@pytest.mark.parametrize(
    ("fps", "budget_ms", "obeys"),
    [(99.999999, 20.0, True), (100.0, 20.0, False), (50.0, 19.999999, False)],
)
def test_limits_are_exact(fps: float, budget_ms: float, obeys: bool) -> None:
    problem = Problem(
        2, (ProblemVariant("v", 0.5, (10.0,)),), (ProblemClient("c", fps, (budget_ms,)),)
    )
    assert (found(CycleStep(0, 1, (0,)), problem=problem) == "") == obeys
