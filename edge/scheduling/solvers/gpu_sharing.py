"""Several variants in one GPU's cycle: improves a plan GPU by GPU, and never worsens it.

One GPU's cycle is replaced by the best of its neighbours, for its own clients, the unserved ones
and those of one other GPU, whose cycle stays. A neighbour keeps some of the variants, at any batch
sizes, and adds at most one other.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from edge.scheduling import capacity_rules
from edge.scheduling.capacity_rules import Integers
from edge.scheduling.plan import Cycle, CycleStep
from edge.scheduling.solvers.compiled import compiled
from edge.scheduling.solvers.greedy import Floats
from edge.scheduling.solvers.packing import Packing
from edge.scheduling.solvers.problem_arrays import FAR_NS, ProblemArrays

MAX_VARIANTS = 3  # in a cycle: more make every client wait longer and gain little
_LEAST = 1e-9  # a smaller gain is rounding


class CycleImprover:
    """Holds the cycles of all GPUs while they are being improved; `effort` bounds the work."""

    def __init__(self, arrays: ProblemArrays, cycles: Sequence[Cycle], effort: float) -> None:
        self._arrays = arrays
        idle = arrays.problem.gpus - len(cycles)
        self.cycles: list[Cycle] = [*cycles, *[()] * idle]
        self._left = np.array([int(effort)])
        self._weight = arrays.weight
        self._all = int(arrays.weight.sum())
        # Clients with small budgets first: the fewest cycles can serve them.
        self._order = np.lexsort((-arrays.rate, arrays.budget.max(axis=1, initial=0)))

    def run(self) -> list[Cycle]:
        """The improved cycles, without those that serve no client."""
        gains = True
        while gains and self._left[0] > 0:
            gains = False
            for one, other in self._pairs():
                if self._left[0] > 0:
                    gains |= self._improve(one, other)
        return [cycle for cycle in self.cycles if cycle]

    def _pairs(self) -> Iterator[tuple[int, int | None]]:
        """Each GPU by itself, then with each other one."""
        gpus = range(len(self.cycles))
        yield from ((gpu, None) for gpu in gpus)
        yield from itertools.permutations(gpus, 2)

    def _improve(self, gpu: int, other: int | None) -> bool:
        """Gives the GPU a cycle that is worth more, also for the other GPU's clients, if any is."""
        arrays = self._arrays
        fixed = self.cycles[other] if other is not None else ()
        steps = (*self.cycles[gpu], *fixed)
        served = {c for cycle in self.cycles for step in cycle for c in step.clients}
        mine = {c for step in steps for c in step.clients}
        pool = np.array([c for c in self._order if c in mine or c not in served], dtype=np.int64)
        if not len(pool):
            return False
        value = sum(float(arrays.worth[c, step.variant]) for step in steps for c in step.clients)
        budget, worth, weight = arrays.budget[pool], arrays.worth[pool], self._weight[pool]
        others = np.array([(step.variant, step.batch) for step in fixed], dtype=np.int64)
        bins = np.zeros((4, MAX_VARIANTS + len(fixed)), dtype=np.int64)
        self._write_fixed(bins, others.reshape(-1, 2))
        best = value + _LEAST
        kept = [step.variant for step in self.cycles[gpu]]
        for size in range(min(len(kept), MAX_VARIANTS - 1) + 1):
            for stay in itertools.combinations(kept, size):
                best = _best_neighbour(
                    np.array(stay, dtype=np.int64),
                    bins,
                    size,
                    arrays.latency,
                    budget.max(axis=0),
                    np.array([arrays.unit, self._all]),
                    budget,
                    worth,
                    weight,
                    best,
                    self._left,
                )
        if best <= value + _LEAST:
            return False
        variant, batch, need, capacity = bins
        allowed = budget[:, variant] >= need
        packing = Packing(np.where(allowed, worth[:, variant], 0.0), weight, capacity)
        packing.assign_greedily()
        packing.repack_pairs()
        if packing.value <= value + _LEAST:
            return False
        clients = [tuple(sorted(pool[packing.bin == i].tolist())) for i in range(bins.shape[1])]
        new = slice(0, MAX_VARIANTS), slice(MAX_VARIANTS, None)
        self.cycles[gpu], as_before = (_cycle(variant[p], batch[p], clients[p]) for p in new)
        if other is not None:
            self.cycles[other] = as_before
        return True

    def _write_fixed(self, bins: Integers, steps: Integers) -> None:
        """Writes another GPU's cycle, rows of variant and batch, behind the one that is sought."""
        variant, batch = steps.T
        latency = self._arrays.latency[variant, batch - 1]
        cycle = np.maximum(latency.sum(keepdims=True), 1)
        capacity = self._arrays.load_units(capacity_rules.capacity(batch, cycle))
        bins[:, MAX_VARIANTS:] = variant, batch, capacity_rules.need(cycle, latency), capacity


_NEEDS = "int64[:, ::1], int64, int64[:, ::1], int64[::1], int64[::1]"
_CLIENTS = "int64[:, ::1], float64[:, ::1], int64[::1]"


@compiled(f"boolean({_NEEDS})")
def _fits(bins: Integers, steps: int, latency: Integers, longest: Integers, load: Integers) -> bool:
    """Computes need and capacity of the first steps; whether each has a client with that budget."""
    cycle = 0
    for place in range(steps):
        cycle += latency[bins[0, place], bins[1, place] - 1]
    for place in range(MAX_VARIANTS):
        bins[2, place], bins[3, place] = FAR_NS, 0
    for place in range(steps):
        need = cycle + latency[bins[0, place], bins[1, place] - 1]
        if need > longest[bins[0, place]]:
            return False
        capacity = (bins[1, place] * capacity_rules.PER_SECOND - 1) // cycle
        bins[2, place], bins[3, place] = need, min(capacity // load[0], load[1])
    return True


@compiled(f"float64(int64[:, ::1], {_CLIENTS}, int64[::1])")
def _judge(
    bins: Integers, budget: Integers, worth: Floats, weight: Integers, left: Integers
) -> float:
    """The worth of all clients, each in turn where it is worth most and still fits."""
    value = 0.0
    for place in range(len(left)):
        left[place] = bins[3, place]
    for client in range(len(weight)):
        heavy, most, at = weight[client], 0.0, -1
        for place in range(len(left)):
            offer = worth[client, bins[0, place]]
            if offer > most and left[place] >= heavy:  # noqa: SIM102  # in this order for speed
                if budget[client, bins[0, place]] >= bins[2, place]:
                    most, at = offer, place
        if at >= 0:
            value += most
            left[at] -= heavy
    return value


@compiled(f"float64(int64[::1], {_NEEDS}, {_CLIENTS}, float64, int64[::1])")
def _best_neighbour(
    kept: Integers,
    bins: Integers,
    size: int,
    latency: Integers,
    longest: Integers,
    load: Integers,
    budget: Integers,
    worth: Floats,
    weight: Integers,
    least: float,
    effort: Integers,
) -> float:
    """The worth of the best cycle that keeps `size` of the variants in `kept`, in its order.

    `bins` has rows of variant, batch, need and capacity. Its columns from MAX_VARIANTS on are
    given; those before become the best cycle's, if any is worth more than `least`, which is
    returned if not. `load` is its unit, and that of all clients together.
    """
    variants, sizes = latency.shape
    trial, left = bins.copy(), np.empty(bins.shape[1], dtype=np.int64)
    for place in range(size):
        trial[0, place] = kept[place]
    best = least
    for batches in range(sizes**size):
        rest = batches
        for place in range(size):
            trial[1, place] = rest % sizes + 1
            rest //= sizes
        for added in range(-1 if size else 0, variants):
            is_there = False
            for place in range(size):
                is_there |= kept[place] == added
            if is_there:
                continue
            for batch in range(1, 2 if added < 0 else sizes + 1):
                if effort[0] <= 0:
                    return best
                effort[0] -= 1
                if added >= 0:
                    trial[0, size], trial[1, size] = added, batch
                if not _fits(trial, size + (added >= 0), latency, longest, load):
                    continue
                effort[0] -= len(weight) * len(left)
                value = _judge(trial, budget, worth, weight, left)
                if value > best:
                    best = value
                    bins[:, :MAX_VARIANTS] = trial[:, :MAX_VARIANTS]
    return best


def _cycle(variants: Integers, batches: Integers, clients: list[tuple[int, ...]]) -> Cycle:
    """The steps of those variants that serve a client."""
    parts = zip(variants.tolist(), batches.tolist(), clients, strict=True)
    return tuple(CycleStep(variant, batch, served) for variant, batch, served in parts if served)
