"""Few clients: nothing that an enumeration finds is better."""

from __future__ import annotations

import itertools
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings

from edge.scheduling.plan import Cycle, Plan
from edge.scheduling.plan_check import violations
from edge.scheduling.problem import Problem, ProblemClient, ProblemVariant
from edge.scheduling.solvers import auto, subset_search
from edge.scheduling.solvers.problem_arrays import ProblemArrays
from tests.scheduling.solvers.problems import problems, small


def value_of(problem: Problem, cycles: list[Cycle]) -> float:
    """The plan's value: clients served first, accuracy second."""
    worth = ProblemArrays(problem).worth
    return sum(
        float(worth[c, step.variant]) for cycle in cycles for step in cycle for c in step.clients
    )


def enumerated(problem: Problem) -> float:
    """The greatest value, by trying every cycle, every assignment and every division."""
    worth = ProblemArrays(problem).worth
    clients, variants = problem.clients, problem.variants
    best = [0.0] * (1 << len(clients))  # of one GPU, by the set of clients that it serves

    def assign(client: int, served: int, value: float, rates: list[Fraction]) -> None:
        best[served] = max(best[served], value)
        for c in range(client, len(clients)):
            for step, (v, batch, latency) in enumerate(steps):
                rate = rates[step] + Fraction(str(clients[c].fps))
                late = Fraction(str(clients[c].budget_ms[v])) < cycle + latency
                if not late and rate * cycle < 1000 * batch:
                    more = [*rates[:step], rate, *rates[step + 1 :]]
                    assign(c + 1, served | 1 << c, value + float(worth[c, v]), more)

    for sizes in itertools.product(*(range(len(v.latency_ms) + 1) for v in variants)):
        steps = [
            (v, size, Fraction(str(variants[v].latency_ms[size - 1])))
            for v, size in enumerate(sizes)
            if size
        ]
        cycle = sum((latency for _, _, latency in steps), Fraction(0))
        assign(0, 0, 0.0, [Fraction(0)] * len(steps))
    together = [0.0] * len(best)
    for _ in range(problem.gpus):
        together = [
            max(
                together[all_served ^ part] + best[part]
                for part in range(all_served + 1)
                if part & all_served == part
            )
            for all_served in range(len(best))
        ]
    return max(together)


@given(problem=problems(max_clients=6, max_variants=3, max_gpus=2))
@settings(max_examples=60)
def test_no_enumerated_plan_is_better(problem: Problem) -> None:
    cycles = auto.solve(problem, "shared")
    assert value_of(problem, cycles) == pytest.approx(enumerated(problem), abs=1e-6)
    idle = [()] * (problem.gpus - len(cycles))
    assert violations(problem, Plan(problem, "auto", "shared", (*cycles, *idle)), "shared") == []


def test_two_variants_where_each_step_towards_them_is_a_loss() -> None:
    """Neither can be added to the best single variant, and neither is the best by itself."""
    variants = (
        ProblemVariant("middle", 0.60, (20.0, 24.0, 28.0, 32.0)),
        ProblemVariant("small", 0.50, (6.0, 8.0, 10.0, 12.0)),
        ProblemVariant("large", 0.80, (30.0, 45.0, 60.0, 75.0)),
    )
    clients = (
        ProblemClient("near", 10.0, (0.0, 0.0, 80.0), (0.6, 0.5, 0.8)),
        ProblemClient("far", 15.0, (46.0, 46.0, 0.0), (0.6, 0.5, 0.0)),
    )
    [cycle] = auto.solve(Problem(1, variants, clients), "shared")
    assert [step.clients for step in cycle] == [(1,), (0,)]


def test_a_larger_batch_that_takes_less_time_is_used() -> None:
    variants = (ProblemVariant("odd", 0.5, (30.0, 40.0, 10.0)),)
    problem = Problem(1, variants, (ProblemClient("c", 20.0, (20.0,)),))
    [[step]] = subset_search.improved(ProblemArrays(problem), [])
    assert (step.batch, step.clients) == (3, (0,))


def test_given_cycles_stay_where_none_are_better() -> None:
    arrays = ProblemArrays(small())
    best = subset_search.improved(arrays, [])
    assert subset_search.improved(arrays, best) == best


def test_it_is_for_few_clients_only() -> None:
    many = tuple(ProblemClient(str(n), 10.0, (90.0, 80.0)) for n in range(7))
    assert subset_search.fits(ProblemArrays(small()))
    assert not subset_search.fits(ProblemArrays(replace(small(), clients=many)))


def test_every_gpu_is_used_that_serves_somebody() -> None:
    clients = tuple(ProblemClient(str(n), 40.0, (12.0, 45.0)) for n in range(3))
    problem = replace(small(), gpus=4, clients=clients)
    cycles = subset_search.improved(ProblemArrays(problem), [])
    assert sorted(c for cycle in cycles for step in cycle for c in step.clients) == [0, 1, 2]
    assert len(cycles) <= 3
