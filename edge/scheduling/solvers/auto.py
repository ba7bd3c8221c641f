"""Ours: what the controller runs. Search for columns, pack clients, then share GPUs."""

from __future__ import annotations

import numpy as np

from edge.scheduling import capacity_rules
from edge.scheduling.capacity_rules import Rule
from edge.scheduling.plan import PlanSlot
from edge.scheduling.problem import Problem
from edge.scheduling.solvers.column_search import Search
from edge.scheduling.solvers.gpu_sharing import GpuCycle
from edge.scheduling.solvers.packing import Packing
from edge.scheduling.solvers.problem_arrays import FAR_NS, Tables

EFFORT = 25e6  # choices x GPUs x clients that the search may judge
SHARED_EFFORT = 12e6  # likewise for cycles x slots x clients
PACKED, MIN_PACKED = 32_000, 64  # pairs of GPUs x clients, and GPUs, that are packed with care

Cycle = tuple[PlanSlot, ...]


def solve(problem: Problem, rule: Rule) -> list[Cycle]:
    """The cycles that GPUs should run, in no order; the same for the same problem."""
    tables = Tables(problem)
    if not problem.gpus or not len(tables.columns.variant):
        return []
    cycles = _single(tables)
    if rule == "shared":
        cycles = GpuCycle(tables, cycles, SHARED_EFFORT).run()
    return [_trimmed(tables, cycle) for cycle in cycles]


def _single(tables: Tables) -> list[Cycle]:
    """The best cycles of one variant each."""
    search = Search(tables, EFFORT)
    best: Packing | None = None
    gpus, people = tables.problem.gpus, len(tables.problem.clients)
    count = min(max(PACKED // (gpus**2 * people), MIN_PACKED // gpus, 4), 2 * people)
    for choice in search.run()[:count]:
        worth = search.worth[:, choice]
        if best is not None and worth.max(axis=1).sum() <= best.value + 1e-9:
            continue  # even with all the room there is
        packing = Packing(worth, search.weight, search.room[choice])
        packing.fill()
        packing.improve()
        if best is None or packing.value > best.value + 1e-9:
            best, columns = packing, choice
    assert best is not None
    cycles: list[Cycle] = []
    for place, column in enumerate(columns):
        clients = tuple(sorted(search.order[best.bin == place].tolist()))
        if clients:
            slot = PlanSlot(int(search.variant[column]), int(search.batch[column]), clients)
            cycles.append((slot,))
    return cycles


def _trimmed(tables: Tables, cycle: Cycle) -> Cycle:
    """The cycle with the quickest batch sizes that still carry its clients: less time for all."""
    slots = list(cycle)
    for place, slot in enumerate(slots):
        rate = int(tables.rate[list(slot.clients)].sum())
        row = tables.latency[slot.variant]
        now = int(row[slot.batch - 1])
        others = sum(int(tables.latency[s.variant, s.batch - 1]) for s in slots) - now
        carried = capacity_rules.capacity(np.arange(1, len(row) + 1), others + row) >= rate
        quickest = int(np.where(carried, row, FAR_NS).argmin())
        if row[quickest] < now:
            slots[place] = PlanSlot(slot.variant, quickest + 1, slot.clients)
    return tuple(slots)
