"""From a problem to a plan: who is served by which variant on which GPU. Pure functions."""

from __future__ import annotations

from typing import Literal

from edge.scheduler.place import place
from edge.scheduler.plan import Plan, Slot
from edge.scheduler.problem import Problem
from edge.scheduler.rules import Rule

Algorithm = Literal["auto", "sa-dp", "exact"]
EXACT_LIMIT_S = 60.0


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
    cycles: list[tuple[Slot, ...]]
    proved = False
    if algorithm == "sa-dp":
        from edge.scheduler import sa_dp  # noqa: PLC0415

        cycles = [(slot,) for slot in sa_dp.solve(problem)]
    elif algorithm == "exact":
        from edge.scheduler import exact  # noqa: PLC0415

        cycles, proved = exact.solve(problem, rule, limit_s)
    else:
        from edge.scheduler import auto  # noqa: PLC0415

        cycles = auto.solve(problem, rule)
    return Plan(problem, algorithm, rule, place(problem, cycles), proved)
