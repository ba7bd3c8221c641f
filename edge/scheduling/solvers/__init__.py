"""From a problem to a plan: the variant and the GPU that serve each client. Pure functions."""

from __future__ import annotations

import importlib
from typing import Any, Literal

from edge.scheduling.capacity_rules import Rule
from edge.scheduling.plan import Cycle, Plan
from edge.scheduling.problem import Problem
from edge.scheduling.solvers.gpu_placement import assign_gpus

Algorithm = Literal["auto", "sa-dp", "exact"]
EXACT_LIMIT_S = 60.0


_MODULES = {"auto": "auto", "sa-dp": "sa_dp", "exact": "exact"}


def prepare(algorithm: Algorithm = "auto") -> Any:
    """The solver's module, loaded. The first time on a machine `auto` is compiled, in seconds.

    Raises ModuleNotFoundError for `exact` if highspy, of the extra `lab`, is not installed.
    """
    return importlib.import_module(f"edge.scheduling.solvers.{_MODULES[algorithm]}")


def solve(
    problem: Problem,
    algorithm: Algorithm = "auto",
    rule: Rule = "shared",
    limit_s: float = EXACT_LIMIT_S,
) -> Plan:
    """A plan that obeys the rule: most clients served, then most accuracy, then least change.

    `auto` and `sa-dp` give the same problem the same plan; `exact` may depend on the clock
    where `limit_s` ends it. `sa-dp` knows cycles of one variant only, under either rule.
    """
    cycles: list[Cycle]
    proved = False
    solver = prepare(algorithm)
    if algorithm == "sa-dp":
        cycles = [(step,) for step in solver.solve(problem)]
    elif algorithm == "exact":
        cycles, proved = solver.solve(problem, rule, limit_s)
    else:
        cycles = solver.solve(problem, rule)
    return Plan(problem, algorithm, rule, assign_gpus(problem, cycles), proved)
