"""Whether a plan obeys a capacity rule: an independent reading of the rules, in exact fractions.

It shares nothing with the solvers' arithmetic, so that tests which compare the two mean something.
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
    """Every way in which the plan breaks the rule, a sentence each; none when it obeys."""
    found = []
    if len(plan.gpus) != problem.gpus:
        found.append(f"{len(plan.gpus)} GPUs in the plan, {problem.gpus} in the problem")
    times = Counter(c for slots in plan.gpus for slot in slots for c in slot.clients)
    found += [f"client {c} is served {n} times" for c, n in times.items() if n > 1]
    if plan.served + len(plan.unserved) != len(problem.clients):
        found.append("served and unserved clients don't add up")
    for gpu, slots in enumerate(plan.gpus):
        if rule == "single" and len(slots) > 1:
            found.append(f"GPU {gpu}: {len(slots)} variants")
        if len({slot.variant for slot in slots}) < len(slots):
            found.append(f"GPU {gpu}: a variant twice")
        latencies = []
        for slot in slots:
            row = problem.variants[slot.variant].latency_ms
            if not 1 <= slot.batch <= len(row):
                return [*found, f"GPU {gpu}: no latency for a batch of {slot.batch}"]
            latencies.append(_exact(row[slot.batch - 1]))
        cycle_ms = sum(latencies, Fraction(0))
        for slot, latency_ms in zip(slots, latencies, strict=True):
            name = f"GPU {gpu}, {problem.variants[slot.variant].name}"
            if not slot.clients:
                found.append(f"{name}: serves nobody")
            rate = sum((_exact(problem.clients[c].fps) for c in slot.clients), Fraction(0))
            if not rate * cycle_ms < slot.batch * 1000:
                found.append(f"{name}: {float(rate)} fps in batches of {slot.batch}")
            wait_ms = 2 * latency_ms if rule == "single" else cycle_ms + latency_ms
            for c in slot.clients:
                if _exact(problem.clients[c].budget_ms[slot.variant]) < wait_ms:
                    found.append(f"{name}: client {c} would be late")
    return found


def _exact(value: float) -> Fraction:
    return Fraction(Decimal(repr(value)).quantize(_GRID, ROUND_HALF_EVEN))
