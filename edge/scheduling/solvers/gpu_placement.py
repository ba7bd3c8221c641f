"""Gives a plan's cycles to GPUs, which are alike, with as few changes of variants as possible."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from edge.scheduling.plan import Cycle
from edge.scheduling.problem import Problem


def assign_gpus(problem: Problem, cycles: Sequence[Cycle]) -> tuple[Cycle, ...]:
    """The cycles in the order of the GPUs that run them; idle GPUs have an empty one."""
    waiting = [tuple(sorted(cycle, key=lambda step: step.variant)) for cycle in cycles]
    waiting.sort(key=lambda cycle: [(s.variant, s.batch, s.clients) for s in cycle])
    waiting += [()] * (problem.gpus - len(waiting))
    current = problem.current
    if current is None:
        return tuple(waiting)
    kept = [
        [sum(problem.variants[s.variant].name in resident for s in cycle) for resident in current]
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
