"""From a problem to a plan: who is served by which variant on which GPU. Pure functions."""

from __future__ import annotations

import importlib
from typing import Any, Literal

from edge.scheduling.capacity_rules import Rule
from edge.scheduling.plan import Plan, PlanSlot
from edge.scheduling.problem import Problem
from edge.scheduling.solvers.gpu_placement import place

Algorithm = Literal["auto", "sa-dp", "exact"]
EXACT_LIMIT_S = 60.0
_MODULES = {"auto": "auto", "sa-dp": "sa_dp", "exact": "exact"}


def prepare(algorithm: Algorithm = "auto") -> Any:
    """The solver's module, loaded. The first time on a machine `auto` is compiled: seconds."""
    return importlib.import_module(f"edge.scheduling.solvers.{_MODULES[algorithm]}")


def solve(
    problem: Problem,
    algorithm: Algorithm = "auto",
    rule: Rule = "shared",
    limit_s: float = EXACT_LIMIT_S,
) -> Plan:
    """A plan that obeys the rule: most clients served, then most accuracy, then least change.

    `auto` and `sa-dp` always answer alike to the same problem; `exact` may depend on the clock
    where `limit_s` ends it. `sa-dp` knows cycles of one variant only, under either rule.
    """
    cycles: list[tuple[PlanSlot, ...]]
    proved = False
    solver = prepare(algorithm)
    if algorithm == "sa-dp":
        cycles = [(slot,) for slot in solver.solve(problem)]
    elif algorithm == "exact":
        cycles, proved = solver.solve(problem, rule, limit_s)
    else:
        cycles = solver.solve(problem, rule)
    return Plan(problem, algorithm, rule, place(problem, cycles), proved)
