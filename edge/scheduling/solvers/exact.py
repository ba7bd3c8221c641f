"""The reference: the best plan that there is, by mixed-integer programming.

GPUs are alike, so the program counts how many of them run each cycle instead of naming them. A
cycle offers bins, one for each of its variants. Clients of equal rate, worth and reach make a
class; a class's flow into a ladder of bins, of one variant and with rising need, is held by one
constraint for each rung: clients that reach no further than a rung fill no more than the bins up
to it offer. That lets a client be split between GPUs of one cycle, so the result is an upper
bound. A second program, in which each chosen cycle is a GPU of its own, makes it a plan; where that
falls short of the bound, those cycles are GPUs of their own in the first program too, which is
solved again.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edge.scheduling import capacity_rules
from edge.scheduling.capacity_rules import Rule
from edge.scheduling.plan import Cycle, CycleStep
from edge.scheduling.problem import CyclesError, Problem
from edge.scheduling.solvers.milp import GAP, MixedIntegerProgram, TimeLimit
from edge.scheduling.solvers.problem_arrays import ProblemArrays

MAX_SHARED = 3  # variants in a cycle
MAX_CYCLES = 20_000  # more than these make no program that ends in a useful time

Kind = tuple[tuple[int, int], ...]  # (variant, batch) of each step of a cycle


@dataclass(frozen=True, slots=True)
class _Bin:
    kind: int  # which of the program's kinds offers it
    variant: int
    need: int
    capacity: int


@dataclass(frozen=True, slots=True)
class _Found:
    counts: list[int]  # of each kind
    bound: float
    flows: list[tuple[list[int], int, int]]  # a class's clients, how many of them, first rung
    is_optimal: bool


def solve(problem: Problem, rule: Rule, limit_s: float) -> tuple[list[Cycle], bool]:
    """Cycles for the GPUs, and whether they are proved the best; none when time ran out first."""
    arrays = ProblemArrays(problem)
    limit = TimeLimit(limit_s)
    kinds = _kinds(arrays, rule)
    if not kinds or not problem.gpus:
        return [], True
    separate: Counter[Kind] = Counter()
    best: list[Cycle] = []
    best_value, is_first = -1.0, True
    while is_first or limit.left_s > 0.0:
        is_first = False
        pooled = [kind for kind in kinds if not separate[kind]]
        listed = pooled + [kind for kind, times in separate.items() for _ in range(times)]
        most = [problem.gpus] * len(pooled) + [1] * (len(listed) - len(pooled))
        found = _run(arrays, listed, most, len(pooled), limit)
        if found is None:
            break
        chosen = [kind for kind, n in zip(listed, found.counts, strict=True) for _ in range(n)]
        if not chosen:
            return best, found.is_optimal and found.bound < GAP
        fixed = _run(arrays, chosen, [1] * len(chosen), 0, limit)
        if fixed is None:
            break
        cycles, value = _cycles(arrays, chosen, fixed)
        if value > best_value:
            best, best_value = cycles, value
        if value >= found.bound - 2 * GAP:
            return best, found.is_optimal and fixed.is_optimal
        split_variants = {variant for (variant, _), *_ in chosen} if rule == "single" else set()
        new = [k for k in chosen if k[0][0] in split_variants or chosen.count(k) > 1]
        new = [kind for kind in dict.fromkeys(new) if not separate[kind]]
        if not new:
            break
        separate.update(dict.fromkeys(new, problem.gpus))
    return best, False


def _kinds(arrays: ProblemArrays, rule: Rule) -> list[Kind]:
    """All cycles that could serve a client."""
    if rule == "single":
        columns = arrays.columns
        return [((int(m), int(b)),) for m, b in zip(columns.variant, columns.batch, strict=True)]
    longest = arrays.budget.max(axis=0, initial=0)
    found = list(itertools.islice(_shared(arrays.latency, longest), MAX_CYCLES + 1))
    if len(found) > MAX_CYCLES:
        raise CyclesError(f"over {MAX_CYCLES} possible cycles: too many for the exact solver")
    return found


def _shared(latency: capacity_rules.Integers, longest: capacity_rules.Integers) -> Iterator[Kind]:
    sizes = range(1, latency.shape[1] + 1)
    for count in range(1, MAX_SHARED + 1):
        for variants in itertools.combinations(range(len(latency)), count):
            for batches in itertools.product(sizes, repeat=count):
                kind = tuple(zip(variants, batches, strict=True))
                cycle = sum(int(latency[m, b - 1]) for m, b in kind)
                if all(cycle + latency[m, b - 1] <= longest[m] for m, b in kind):
                    yield kind


def _bins(arrays: ProblemArrays, kinds: list[Kind]) -> list[_Bin]:
    bins = []
    for index, kind in enumerate(kinds):
        variants, batches = np.array(kind, dtype=np.int64).T
        own = arrays.latency[variants, batches - 1]
        cycle = own.sum(keepdims=True)
        needs, capacities = capacity_rules.need(cycle, own), capacity_rules.capacity(batches, cycle)
        parts = zip(variants.tolist(), needs.tolist(), capacities.tolist(), strict=True)
        bins += [_Bin(index, variant, need, capacity) for variant, need, capacity in parts]
    return bins


def _run(
    arrays: ProblemArrays, kinds: list[Kind], most: list[int], pooled: int, limit: TimeLimit
) -> _Found | None:
    """One program: `most` GPUs of each kind; bins of the first `pooled` kinds make ladders
    where a kind is a single variant, all others stand alone."""
    bins = _bins(arrays, kinds)
    order = sorted(range(len(bins)), key=lambda i: (bins[i].variant, bins[i].need))
    laddered = [i for i in order if bins[i].kind < pooled and len(kinds[bins[i].kind]) == 1]
    ladders = [
        list(rungs) for _, rungs in itertools.groupby(laddered, key=lambda i: bins[i].variant)
    ]
    alone = set(range(len(bins))).difference(laddered)
    ladders += [[i] for i in sorted(alone)]
    unit = max(int(np.gcd.reduce(arrays.rate)), 1)

    needs = [np.array([bins[i].need for i in ladder]) for ladder in ladders]
    reach = np.array(
        [
            np.searchsorted(need, arrays.budget[:, bins[ladder[0]].variant], side="right")
            for ladder, need in zip(ladders, needs, strict=True)
        ]
    ).T
    variants = [bins[ladder[0]].variant for ladder in ladders]
    key = np.hstack([arrays.rate[:, None], reach, arrays.worth])
    _, inverse = np.unique(key, axis=0, return_inverse=True)
    classes = [np.flatnonzero(inverse == c).tolist() for c in range(int(inverse.max()) + 1)]

    program = MixedIntegerProgram()
    counts = [program.variable(0.0, upper) for upper in most]
    capacity_rows = [program.row(0.0) for _ in bins]
    for ladder in ladders:
        for rung, index in enumerate(ladder):
            for later in ladder[rung:]:
                program.put(
                    capacity_rows[later], counts[bins[index].kind], -(bins[index].capacity // unit)
                )
    flows = []
    for members in classes:
        one = members[0]
        members_row = program.row(len(members))
        for number, ladder in enumerate(ladders):
            top = int(reach[one, number])
            if top:
                worth = float(arrays.worth[one, variants[number]])
                flow = program.variable(worth, len(members))
                flows.append((members, flow, number))
                program.put(members_row, flow, 1)
                for index in ladder[top - 1 :]:
                    program.put(capacity_rows[index], flow, int(arrays.rate[one]) // unit)
    gpus = program.row(arrays.problem.gpus)
    for count in counts:
        program.put(gpus, count, 1)
    solved = program.solve(max(limit.left_s, 0.1))
    if solved is None:
        return None
    values, bound, is_optimal = solved
    return _Found(
        [round(values[count]) for count in counts],
        bound,
        [(members, round(values[flow]), ladders[n][0]) for members, flow, n in flows],
        is_optimal,
    )


def _cycles(arrays: ProblemArrays, kinds: list[Kind], found: _Found) -> tuple[list[Cycle], float]:
    """The plan that a program with every bin alone describes, and its worth."""
    bins = _bins(arrays, kinds)
    served: dict[int, list[int]] = {}
    waiting = {id(members): list(members) for members, _, _ in found.flows}
    value = 0.0
    for members, count, index in found.flows:
        for _ in range(count):
            client = waiting[id(members)].pop()
            served.setdefault(index, []).append(client)
            value += float(arrays.worth[client, bins[index].variant])
    cycles: list[list[CycleStep]] = [[] for _ in kinds]
    steps = iter(enumerate(bins))
    for cycle, kind in zip(cycles, kinds, strict=True):
        for (variant, batch), (index, _) in zip(kind, steps, strict=False):
            clients = served.get(index)
            if clients:
                cycle.append(CycleStep(variant, batch, tuple(sorted(clients))))
    return [tuple(cycle) for cycle in cycles if cycle], value
