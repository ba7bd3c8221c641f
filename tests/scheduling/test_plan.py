"""A plan's figures, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.scheduling.plan import CycleStep, Plan
from edge.scheduling.problem import Problem, ProblemClient
from tests.scheduling.solvers.problems import small

PLAN = Plan(
    small(),
    "auto",
    "shared",
    ((CycleStep(0, 2, (2,)), CycleStep(1, 1, (0,))), ()),
)


def test_served_and_unserved_clients() -> None:
    assert PLAN.variant_of == {2: 0, 0: 1}
    assert (PLAN.served, PLAN.unserved) == (2, ("middle",))


def test_accuracy_is_weighted_by_rate_and_an_unserved_client_counts_zero() -> None:
    assert PLAN.accuracy == pytest.approx((25 * 0.7 + 10 * 0.5) / 50)


def test_a_client_without_any_budget_is_left_out_of_the_accuracy() -> None:
    cut_off = ProblemClient("none", 100.0, (0.0, -1.0))
    problem = replace(small(), clients=(*small().clients, cut_off))
    assert replace(PLAN, problem=problem).accuracy == PLAN.accuracy
    assert Plan(Problem(0, (), ()), "auto", "shared", ()).accuracy == 0.0


def test_the_cycle_is_the_sum_of_its_batches() -> None:
    assert PLAN.cycle_ms(0) == 6.0 + 20.0
    assert PLAN.cycle_ms(1) == 0.0


@pytest.mark.parametrize(
    ("current", "changes"),
    [(None, 0), ((("small", "large"), ()), 0), ((("small",), ("large",)), 1), (((), ()), 2)],
)
def test_changes_count_variants_that_a_gpu_has_to_load(
    current: tuple[tuple[str, ...], ...] | None, changes: int
) -> None:
    assert replace(PLAN, problem=replace(small(), current=current)).changes == changes


def test_json_names_variants_and_clients() -> None:
    plan = PLAN.to_json()
    assert plan["gpus"][0]["variants"][1] == {"variant": "large", "batch": 1, "clients": ["near"]}
    assert plan["gpus"][1] == {"gpu": 1, "cycle_ms": 0.0, "variants": []}
    assert plan["unserved"] == ["middle"]
