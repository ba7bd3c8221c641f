"""Ours: what the controller runs. Search for columns, pack clients, then share GPUs."""

from __future__ import annotations

from edge.scheduler.pack import Packing
from edge.scheduler.plan import Slot
from edge.scheduler.problem import Problem
from edge.scheduler.rules import Rule
from edge.scheduler.search import Search
from edge.scheduler.share import Share
from edge.scheduler.tables import Tables

EFFORT = 60e6  # choices x GPUs x clients that the search may judge; 160 ms or so
SHARED_EFFORT = 20e6  # likewise for cycles x slots x clients
PACKED = 12  # of the best choices, how many are packed with care

Cycle = tuple[Slot, ...]


def solve(problem: Problem, rule: Rule) -> list[Cycle]:
    """The cycles that GPUs should run, in no order; the same for the same problem."""
    tables = Tables(problem)
    if not problem.gpus or not len(tables.columns.variant):
        return []
    cycles = _single(tables)
    return Share(tables, cycles, SHARED_EFFORT).run() if rule == "shared" else cycles


def _single(tables: Tables) -> list[Cycle]:
    """The best cycles of one variant each."""
    search = Search(tables, EFFORT)
    best: Packing | None = None
    for choice in search.run()[:PACKED]:
        packing = Packing(search.worth[:, choice], search.weight, search.room[choice])
        packing.fill(search.order)
        packing.improve()
        if best is None or packing.value > best.value + 1e-9:
            best, columns = packing, choice
    assert best is not None
    cycles = []
    for place, column in enumerate(columns):
        clients = tuple((best.bin == place).nonzero()[0].tolist())
        if clients:
            slot = Slot(int(search.variant[column]), int(search.batch[column]), clients)
            cycles.append((slot,))
    return cycles
