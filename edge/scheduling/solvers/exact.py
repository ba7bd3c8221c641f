"""The yardstick: the best plan that there is, by mixed-integer programming (HiGHS).

GPUs are alike, so the program counts how many of them run each cycle instead of naming them. A
cycle offers bins, one for each of its variants. Clients of equal rate, worth and reach make a
class; a class's flow into a ladder of bins, of one variant and with rising need, is held by one
constraint for each rung: clients that reach no further than a rung fill no more than the bins up
to it offer. That lets a client be split between GPUs of one cycle, so it is an upper bound. A
second program, in which each chosen cycle is a GPU of its own, makes it a plan; where that falls
short of the bound, those cycles are told apart in the first program too, and it starts again.
"""

from __future__ import annotations

import itertools
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import highspy
import numpy as np

from edge.scheduling import capacity_rules
from edge.scheduling.capacity_rules import Rule
from edge.scheduling.plan import PlanSlot
from edge.scheduling.problem import CyclesError, Problem
from edge.scheduling.solvers.problem_arrays import Tables

MAX_SHARED = 3  # variants in a cycle
MAX_CYCLES = 20_000  # more than these make no program that ends in a useful time
_GAP = 1e-6  # in worth; the accuracy of the solver's own arithmetic is near

Cycle = tuple[PlanSlot, ...]
Kind = tuple[tuple[int, int], ...]  # (variant, batch) of each slot of a cycle


@dataclass(frozen=True, slots=True)
class _Bin:
    kind: int  # which of the program's kinds offers it
    variant: int
    need: int
    room: int


@dataclass(frozen=True, slots=True)
class _Found:
    counts: list[int]  # of each kind
    bound: float
    flows: list[tuple[list[int], int, int]]  # a class's clients, how many of them, first rung
    is_optimal: bool


def solve(problem: Problem, rule: Rule, limit_s: float) -> tuple[list[Cycle], bool]:
    """Cycles for the GPUs, and whether they are proved the best; none when time ran out first."""
    tables = Tables(problem)
    ends = time.monotonic() + limit_s
    kinds = _kinds(tables, rule)
    if not kinds or not problem.gpus:
        return [], True
    apart: Counter[Kind] = Counter()
    best: list[Cycle] = []
    best_value, is_first = -1.0, True
    while is_first or time.monotonic() < ends:
        is_first = False
        together = [kind for kind in kinds if not apart[kind]]
        listed = together + [kind for kind, times in apart.items() for _ in range(times)]
        most = [problem.gpus] * len(together) + [1] * (len(listed) - len(together))
        found = _run(tables, listed, most, len(together), ends)
        if found is None:
            break
        chosen = [kind for kind, n in zip(listed, found.counts, strict=True) for _ in range(n)]
        if not chosen:
            return best, found.is_optimal and found.bound < _GAP
        fixed = _run(tables, chosen, [1] * len(chosen), 0, ends)
        if fixed is None:
            break
        cycles, value = _cycles(tables, chosen, fixed)
        if value > best_value:
            best, best_value = cycles, value
        if value >= found.bound - 2 * _GAP:
            return best, found.is_optimal and fixed.is_optimal
        blamed = {variant for (variant, _), *_ in chosen} if rule == "single" else set()
        new = [k for k in chosen if k[0][0] in blamed or chosen.count(k) > 1]
        new = [kind for kind in dict.fromkeys(new) if not apart[kind]]
        if not new:
            break
        apart.update(dict.fromkeys(new, problem.gpus))
    return best, False


def _kinds(tables: Tables, rule: Rule) -> list[Kind]:
    """All cycles that could serve someone."""
    if rule == "single":
        columns = tables.columns
        return [((int(m), int(b)),) for m, b in zip(columns.variant, columns.batch, strict=True)]
    longest = tables.budget.max(axis=0, initial=0)
    found = list(itertools.islice(_shared(tables.latency, longest), MAX_CYCLES + 1))
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


def _bins(tables: Tables, kinds: list[Kind]) -> list[_Bin]:
    bins = []
    for index, kind in enumerate(kinds):
        variants, batches = np.array(kind, dtype=np.int64).T
        own = tables.latency[variants, batches - 1]
        cycle = own.sum(keepdims=True)
        needs, rooms = capacity_rules.need(cycle, own), capacity_rules.capacity(batches, cycle)
        parts = zip(variants.tolist(), needs.tolist(), rooms.tolist(), strict=True)
        bins += [_Bin(index, variant, need, room) for variant, need, room in parts]
    return bins


def _run(
    tables: Tables, kinds: list[Kind], most: list[int], together: int, ends: float
) -> _Found | None:
    """One program: `most` GPUs of each kind; bins of the first `together` kinds make ladders
    where a kind is a single variant, all others stand alone."""
    bins = _bins(tables, kinds)
    order = sorted(range(len(bins)), key=lambda i: (bins[i].variant, bins[i].need))
    laddered = [i for i in order if bins[i].kind < together and len(kinds[bins[i].kind]) == 1]
    ladders = [
        list(rungs) for _, rungs in itertools.groupby(laddered, key=lambda i: bins[i].variant)
    ]
    alone = set(range(len(bins))).difference(laddered)
    ladders += [[i] for i in sorted(alone)]
    unit = max(int(np.gcd.reduce(tables.rate)), 1)

    needs = [np.array([bins[i].need for i in ladder]) for ladder in ladders]
    reach = np.array(
        [
            np.searchsorted(need, tables.budget[:, bins[ladder[0]].variant], side="right")
            for ladder, need in zip(ladders, needs, strict=True)
        ]
    ).T
    variants = [bins[ladder[0]].variant for ladder in ladders]
    key = np.hstack([tables.rate[:, None], reach, tables.worth])
    _, inverse = np.unique(key, axis=0, return_inverse=True)
    classes = [np.flatnonzero(inverse == c).tolist() for c in range(int(inverse.max()) + 1)]

    program = _Program()
    counts = [program.variable(0.0, upper) for upper in most]
    capacity = [program.row(0.0) for _ in bins]
    for ladder in ladders:
        for rung, index in enumerate(ladder):
            for later in ladder[rung:]:
                program.put(capacity[later], counts[bins[index].kind], -(bins[index].room // unit))
    flows = []
    for members in classes:
        one = members[0]
        limit = program.row(len(members))
        for number, ladder in enumerate(ladders):
            top = int(reach[one, number])
            if top:
                worth = float(tables.worth[one, variants[number]])
                flow = program.variable(worth, len(members))
                flows.append((members, flow, number))
                program.put(limit, flow, 1)
                for index in ladder[top - 1 :]:
                    program.put(capacity[index], flow, int(tables.rate[one]) // unit)
    gpus = program.row(tables.problem.gpus)
    for count in counts:
        program.put(gpus, count, 1)
    solved = program.solve(max(ends - time.monotonic(), 0.1))
    if solved is None:
        return None
    values, bound, is_optimal = solved
    return _Found(
        [round(values[count]) for count in counts],
        bound,
        [(members, round(values[flow]), ladders[n][0]) for members, flow, n in flows],
        is_optimal,
    )


def _cycles(tables: Tables, kinds: list[Kind], found: _Found) -> tuple[list[Cycle], float]:
    """The plan that a program with every bin alone describes, and its worth."""
    bins = _bins(tables, kinds)
    served: dict[int, list[int]] = {}
    waiting = {id(members): list(members) for members, _, _ in found.flows}
    value = 0.0
    for members, count, index in found.flows:
        for _ in range(count):
            client = waiting[id(members)].pop()
            served.setdefault(index, []).append(client)
            value += float(tables.worth[client, bins[index].variant])
    cycles: list[list[PlanSlot]] = [[] for _ in kinds]
    slots = iter(enumerate(bins))
    for cycle, kind in zip(cycles, kinds, strict=True):
        for (variant, batch), (index, _) in zip(kind, slots, strict=False):
            clients = served.get(index)
            if clients:
                cycle.append(PlanSlot(variant, batch, tuple(sorted(clients))))
    return [tuple(cycle) for cycle in cycles if cycle], value


class _Program:
    """Maximise a sum of whole variables under rows of upper limits; built entry by entry."""

    def __init__(self) -> None:
        self._cost: list[float] = []
        self._upper: list[float] = []
        self._limits: list[float] = []
        self._entries: list[list[tuple[int, float]]] = []  # of each variable

    def variable(self, worth: float, most: float) -> int:
        self._cost.append(-worth)
        self._upper.append(most)
        self._entries.append([])
        return len(self._cost) - 1

    def row(self, limit: float) -> int:
        self._limits.append(limit)
        return len(self._limits) - 1

    def put(self, row: int, variable: int, factor: float) -> None:
        self._entries[variable].append((row, factor))

    def solve(self, limit_s: float) -> tuple[list[float], float, bool] | None:
        """(values, bound, whether optimal), or None when no solution was found in time."""
        program = highspy.HighsLp()
        program.num_col_, program.num_row_ = len(self._cost), len(self._limits)
        program.col_cost_ = np.array(self._cost)
        program.col_lower_ = np.zeros(len(self._cost))
        program.col_upper_ = np.array(self._upper, dtype=np.float64)
        program.row_lower_ = np.full(len(self._limits), -np.inf)
        program.row_upper_ = np.array(self._limits, dtype=np.float64)
        entries = [sorted(each) for each in self._entries]
        matrix = program.a_matrix_
        matrix.format_ = highspy.MatrixFormat.kColwise
        matrix.start_ = np.cumsum([0, *map(len, entries)]).astype(np.int32)
        matrix.index_ = np.array([row for each in entries for row, _ in each], dtype=np.int32)
        matrix.value_ = np.array([f for each in entries for _, f in each], dtype=np.float64)
        program.integrality_ = [highspy.HighsVarType.kInteger] * len(self._cost)
        with _no_banner():
            solver = highspy.Highs()  # type: ignore[no-untyped-call]
        solver.setOptionValue("output_flag", False)
        solver.setOptionValue("threads", 1)
        solver.setOptionValue("mip_rel_gap", 0.0)
        solver.setOptionValue("mip_abs_gap", _GAP)
        solver.setOptionValue("mip_feasibility_tolerance", 1e-9)
        solver.setOptionValue("time_limit", limit_s)
        solver.passModel(program)
        solver.run()
        solution, info = solver.getSolution(), solver.getInfo()
        if not solution.value_valid:
            return None
        is_optimal = solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
        return list(solution.col_value), -float(info.mip_dual_bound), is_optimal


@contextmanager
def _no_banner() -> Iterator[None]:
    """HiGHS greets on standard output before it can be told not to: where a plan is to go."""
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)
