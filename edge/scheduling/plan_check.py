"""Checks a plan against a capacity rule, in exact fractions.

It shares nothing with the solvers' arithmetic, so that tests which compare the two are meaningful.
"""

from __future__ import annotations

from collections import Counter
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

from edge.scheduling.capacity_rules import Rule
from edge.scheduling.plan import Plan
from edge.scheduling.problem import Problem

_GRID = Decimal("1e-6")  # a nanosecond in ms, a micro-hertz in fps


def violations(problem: Problem, plan: Plan, rule: Rule) -> list[str]:
    """The plan's violations of the rule, a sentence each; empty if it obeys."""
    found = []
    if len(plan.gpus) != problem.gpus:
        found.append(f"{len(plan.gpus)} GPUs in the plan, {problem.gpus} in the problem")
    times = Counter(c for steps in plan.gpus for step in steps for c in step.clients)
    found += [f"client {c} is served {n} times" for c, n in times.items() if n > 1]
    if plan.served + len(plan.unserved) != len(problem.clients):
        found.append("served and unserved clients don't add up")
    for gpu, steps in enumerate(plan.gpus):
        if rule == "single" and len(steps) > 1:
            found.append(f"GPU {gpu}: {len(steps)} variants")
        if len({step.variant for step in steps}) < len(steps):
            found.append(f"GPU {gpu}: a variant twice")
        latencies = []
        for step in steps:
            row = problem.variants[step.variant].latency_ms
            if not 1 <= step.batch <= len(row):
                return [*found, f"GPU {gpu}: no latency for a batch of {step.batch}"]
            latencies.append(_exact(row[step.batch - 1]))
        cycle_ms = sum(latencies, Fraction(0))
        for step, latency_ms in zip(steps, latencies, strict=True):
            name = f"GPU {gpu}, {problem.variants[step.variant].name}"
            if not step.clients:
                found.append(f"{name}: serves no client")
            rate = sum((_exact(problem.clients[c].fps) for c in step.clients), Fraction(0))
            if not rate * cycle_ms < step.batch * 1000:
                found.append(f"{name}: {float(rate)} fps in batches of {step.batch}")
            wait_ms = 2 * latency_ms if rule == "single" else cycle_ms + latency_ms
            for c in step.clients:
                if _exact(problem.clients[c].budget_ms[step.variant]) < wait_ms:
                    found.append(f"{name}: client {c} would be late")
    return found


def _exact(value: float) -> Fraction:
    return Fraction(Decimal(repr(value)).quantize(_GRID, ROUND_HALF_EVEN))
