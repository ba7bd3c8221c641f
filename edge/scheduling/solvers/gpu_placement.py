"""Which of the GPUs, all alike, takes which part of a plan: as few variant changes as may be."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from edge.scheduling.plan import PlanSlot
from edge.scheduling.problem import Problem

Cycle = tuple[PlanSlot, ...]


def place(problem: Problem, cycles: Sequence[Cycle]) -> tuple[Cycle, ...]:
    """The cycles in the order of the GPUs that run them; idle GPUs have an empty one."""
    waiting = [tuple(sorted(cycle, key=lambda slot: slot.variant)) for cycle in cycles]
    waiting.sort(key=lambda cycle: [(s.variant, s.batch, s.clients) for s in cycle])
    waiting += [()] * (problem.gpus - len(waiting))
    current = problem.current
    if current is None:
        return tuple(waiting)
    kept = [
        [sum(problem.variants[s.variant].name in there for s in cycle) for there in current]
        for cycle in waiting
    ]
    pairs = [(-kept[c][g], c, g) for c in range(len(kept)) for g in range(len(kept))]
    at: dict[int, int] = {}
    for _, cycle, gpu in sorted(pairs):
        if gpu not in at and cycle not in at.values():
            at[gpu] = cycle
    _swap(at, kept)
    return tuple(waiting[at[gpu]] for gpu in range(problem.gpus))


def _swap(at: dict[int, int], kept: list[list[int]]) -> None:
    """Swaps two GPUs' cycles while that keeps more variants where they are."""
    gains = True
    while gains:
        gains = False
        for one, other in itertools.combinations(range(len(kept)), 2):
            straight = kept[at[one]][one] + kept[at[other]][other]
            if kept[at[other]][one] + kept[at[one]][other] > straight:
                at[one], at[other] = at[other], at[one]
                gains = True
