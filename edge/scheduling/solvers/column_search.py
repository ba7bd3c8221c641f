"""Searches for the columns, a variant at a batch size each, that the GPUs should run.

GPUs are alike, so a choice is a sorted row of column numbers. A choice is evaluated by packing all
clients greedily into it, those that the fewest columns can serve first. The search builds a choice
GPU by GPU, replaces its columns one by one, then two at a time in opposite directions, then follows
the best few neighbours at once. At last it begins again from the best with two columns changed at
random, a few times where that costs little.
"""

from __future__ import annotations

import numpy as np

from edge.scheduling.capacity_rules import Integers
from edge.scheduling.solvers import greedy
from edge.scheduling.solvers.greedy import Flags, Floats
from edge.scheduling.solvers.problem_arrays import ProblemArrays

BEAM, MIN_BEAM = 96, 8  # choices followed at once: so many GPUs in all of them, at least so many
MAX_IDLE_ROUNDS = 3  # without a better choice
KEPT = 64  # choices
MOST_JUDGED = 30_000  # choices
RESTARTS, MOST_RESTARTS = 8_000, 16  # times GPUs^2 x clients
CHANGED = 2  # columns, at each restart


class ColumnSearch:
    """The search over one problem's columns, best and then most demanding variants first;
    `effort` bounds choices x GPUs x clients."""

    def __init__(self, arrays: ProblemArrays, effort: float) -> None:
        columns = arrays.columns
        self.gpus = arrays.problem.gpus
        mean = arrays.worth.mean(axis=0)
        rank = np.lexsort((-columns.need, -mean[columns.variant]))
        self.variant, self.batch = columns.variant[rank], columns.batch[rank]
        allowed = arrays.budget[:, self.variant] >= columns.need[rank]
        self.order: Integers = np.lexsort((-arrays.rate, allowed.sum(axis=1)))
        """The clients, in the order of all arrays here."""
        self.weight = arrays.weight[self.order]
        self.capacity = arrays.load_units(columns.capacity[rank])
        worth = np.where(allowed, arrays.worth[:, self.variant], 0.0)
        self.worth: Floats = np.ascontiguousarray(worth[self.order])
        self.bound = float(self.worth.max(axis=1, initial=0.0).sum())
        """No choice is worth more: every client has the best column that could serve it."""
        self._most = min(int(effort / (self.gpus * len(self.order))), MOST_JUDGED)

    def run(self) -> list[Integers]:
        """The best choices found, best first."""
        size, gpus = len(self.capacity), self.gpus
        problem = (self.worth, self.weight, self.capacity)
        scratch = np.zeros((2, gpus), dtype=np.int64)
        choice = np.zeros(gpus, dtype=np.int64)
        greedy.build(choice, *problem, scratch)
        chance = np.random.default_rng(0)
        marks = chance.integers(1, 2**62, size)
        kept, values = np.zeros((KEPT, gpus), dtype=np.int64), np.zeros(KEPT)
        followed, count = np.zeros(KEPT, dtype=np.bool_), np.array([0, self._most])
        judged = np.zeros(2 * MOST_JUDGED, dtype=np.int64)
        everything = (*problem, marks, judged, kept, values, followed, count, scratch)
        first = int(choice[0])
        value = greedy.attempt(choice, 0, first, 0, first, *everything)
        if value < self.bound - greedy.LEAST:
            value = greedy.sweep(choice, value, *everything)
            greedy.exchange(choice, value, self._near(1, 2), *everything)
            beam = max(BEAM // gpus, MIN_BEAM)
            greedy.spread(self._near(2, 2), beam, MAX_IDLE_ROUNDS, *everything)
            for _ in range(min(RESTARTS // (gpus**2 * len(self.order)), MOST_RESTARTS)):
                choice[:] = kept[0]
                choice[chance.integers(gpus, size=CHANGED)] = chance.integers(size, size=CHANGED)
                choice.sort()
                value = greedy.judge(choice, scratch[greedy.LEFT_ROW], *problem)
                greedy.sweep(choice, value, *everything)
        return list(kept[: count[greedy.KEPT]])

    def _near(self, variants: int, batches: int) -> Flags:
        """For each pair of columns, whether they differ by so many variants in accuracy and so many
        batch sizes at most."""
        ladder = np.cumsum(np.diff(self.variant, prepend=self.variant[:1]) != 0)
        near = np.abs(ladder - ladder[:, None]) <= variants
        near &= np.abs(self.batch - self.batch[:, None]) <= batches
        np.fill_diagonal(near, False)
        return np.asarray(near)
