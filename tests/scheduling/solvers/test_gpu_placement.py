"""Cycles go to the GPUs that already hold their variants."""

from __future__ import annotations

from dataclasses import replace

from edge.scheduling.plan import Cycle, CycleStep
from edge.scheduling.solvers.gpu_placement import assign_gpus
from tests.scheduling.solvers.problems import small

SMALL: Cycle = (CycleStep(0, 1, (0,)),)
LARGE: Cycle = (CycleStep(1, 1, (1,)),)
BOTH: Cycle = (CycleStep(1, 1, (1,)), CycleStep(0, 1, (0,)))


def test_without_residents_the_order_does_not_depend_on_the_input_s() -> None:
    assert assign_gpus(small(), [LARGE, SMALL]) == assign_gpus(small(), [SMALL, LARGE])


def test_idle_gpus_have_an_empty_cycle_and_steps_are_sorted_by_variant() -> None:
    assert assign_gpus(small(), [BOTH]) == ((BOTH[1], BOTH[0]), ())


def test_a_cycle_stays_where_its_variants_are() -> None:
    problem = replace(small(), current=(("large",), ("small",)))
    assert assign_gpus(problem, [SMALL, LARGE]) == (LARGE, SMALL)


def test_two_cycles_are_swapped_where_that_keeps_more() -> None:
    """The best place for one cycle alone would leave the other a worse one."""
    problem = replace(small(), gpus=3, current=(("small", "large"), ("small",), ()))
    placed = assign_gpus(problem, [BOTH, SMALL])
    kept = sum(
        problem.variants[step.variant].name in resident
        for cycle, resident in zip(placed, problem.current or (), strict=True)
        for step in cycle
    )
    assert kept == 3
