"""The controller's solver: searches for columns, packs clients, then lets variants share GPUs;
small problems are searched to the end."""

from __future__ import annotations

import numpy as np

from edge.scheduling import capacity_rules
from edge.scheduling.capacity_rules import Rule
from edge.scheduling.plan import Cycle, CycleStep
from edge.scheduling.problem import Problem
from edge.scheduling.solvers import subset_search
from edge.scheduling.solvers.column_search import ColumnSearch
from edge.scheduling.solvers.gpu_sharing import CycleImprover
from edge.scheduling.solvers.packing import Packing
from edge.scheduling.solvers.problem_arrays import FAR_NS, ProblemArrays

EFFORT = 25e6  # choices x GPUs x clients that the search may evaluate
SHARED_EFFORT = 12e6  # likewise for cycles x steps x clients
PACKED, MIN_PACKED = 32_000, 64  # pairs of GPUs x clients, and GPUs, that are packed pairwise


def solve(problem: Problem, rule: Rule) -> list[Cycle]:
    """The cycles that GPUs should run, in no particular order; the same for the same problem."""
    arrays = ProblemArrays(problem)
    if not problem.gpus or not len(arrays.columns.variant):
        return []
    cycles = _single(arrays)
    if rule == "shared":
        cycles = CycleImprover(arrays, cycles, SHARED_EFFORT).run()
        if subset_search.fits(arrays):
            cycles = subset_search.improved(arrays, cycles)
    return [_trimmed(arrays, cycle) for cycle in cycles]


def _single(arrays: ProblemArrays) -> list[Cycle]:
    """The best cycles of one variant each."""
    search = ColumnSearch(arrays, EFFORT)
    best: Packing | None = None
    gpus, client_count = arrays.problem.gpus, len(arrays.problem.clients)
    count = min(max(PACKED // (gpus**2 * client_count), MIN_PACKED // gpus, 4), 2 * client_count)
    for choice in search.run()[:count]:
        worth = search.worth[:, choice]
        if best is not None and worth.max(axis=1).sum() <= best.value + 1e-9:
            continue  # not even with unlimited capacity
        packing = Packing(worth, search.weight, search.capacity[choice])
        packing.assign_greedily()
        packing.repack_pairs()
        if best is None or packing.value > best.value + 1e-9:
            best, columns = packing, choice
    assert best is not None
    cycles: list[Cycle] = []
    for place, column in enumerate(columns):
        clients = tuple(sorted(search.order[best.bin == place].tolist()))
        if clients:
            step = CycleStep(int(search.variant[column]), int(search.batch[column]), clients)
            cycles.append((step,))
    return cycles


def _trimmed(arrays: ProblemArrays, cycle: Cycle) -> Cycle:
    """The cycle with the shortest batches that still carry its clients: less time for all."""
    steps = list(cycle)
    for place, step in enumerate(steps):
        rate = int(arrays.rate[list(step.clients)].sum())
        row = arrays.latency[step.variant]
        now = int(row[step.batch - 1])
        others = sum(int(arrays.latency[s.variant, s.batch - 1]) for s in steps) - now
        carried = capacity_rules.capacity(np.arange(1, len(row) + 1), others + row) >= rate
        shortest = int(np.where(carried, row, FAR_NS).argmin())
        if row[shortest] < now:
            steps[place] = CycleStep(step.variant, shortest + 1, step.clients)
    return tuple(steps)
