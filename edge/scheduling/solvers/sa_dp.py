"""The baseline: Jellyfish's simulated annealing over DNNs, its dynamic programme for clients.

After section V of the Jellyfish paper (RTSS 2022), whose artefact fixes what the text leaves open:
the temperatures, the order of the two phases and the neighbours. A state is a variant for each
GPU. Its clients are mapped GPU by GPU, the most accurate variant first: clients in falling order
of budget, and a dynamic programme fills the variant's throughput with as much frame rate as it
takes. Annealing first degrades variants until all clients are served, then looks for accuracy.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import numpy as np

from edge.scheduling import capacity_rules
from edge.scheduling.plan import CycleStep
from edge.scheduling.problem import Problem
from edge.scheduling.solvers.problem_arrays import ProblemArrays

HOT, COLD, COOLING = 0.0125, 0.0005, 0.99
DEGRADE, UPGRADE = (-1, 0), (-1, 0, 1)  # moves that a GPU's variant may take in each phase

State = tuple[int, ...]  # a rank in accuracy for each GPU, ascending: GPUs are alike


@dataclass(frozen=True, slots=True)
class _Mapping:
    steps: tuple[CycleStep, ...]
    effectiveness: float  # clients served, of those with any budget
    accuracy: float  # mean over frames, 0 for those of unserved clients


def solve(problem: Problem) -> list[CycleStep]:
    """A cycle step for each GPU, in no particular order; the same for the same seed."""
    arrays = ProblemArrays(problem)
    if not problem.gpus or not problem.variants or not problem.clients:
        return []
    chance = random.Random(problem.seed)
    mapper = _Mapper(arrays)
    state = _first_state(problem, mapper.by_accuracy, chance)
    best = mapper.map(state)
    for moves in (DEGRADE, UPGRADE):
        state, best = _anneal(state, best, moves, mapper, chance)
    return list(best.steps)


def _first_state(problem: Problem, by_accuracy: list[int], chance: random.Random) -> State:
    """The GPUs' resident variants where they are given; drawn by chance where not."""
    ranks = {problem.variants[m].name: rank for rank, m in enumerate(by_accuracy)}
    current = problem.current or ((),) * problem.gpus
    drawn = [chance.randrange(len(ranks)) for _ in range(problem.gpus)]
    resident = [[ranks[name] for name in names if name in ranks] for names in current]
    return tuple(sorted(k[0] if k else d for k, d in zip(resident, drawn, strict=True)))


def _anneal(
    state: State,
    mapping: _Mapping,
    moves: tuple[int, ...],
    mapper: _Mapper,
    chance: random.Random,
) -> tuple[State, _Mapping]:
    """The best state that one phase finds from `state`."""
    degrades = moves is DEGRADE
    best_state, best = state, mapping
    heat = HOT
    top = len(mapper.by_accuracy) - 1
    while heat > COLD and (best.effectiveness < 1) == degrades:
        moved = (min(max(rank + chance.choice(moves), 0), top) for rank in state)
        next_state = tuple(sorted(moved))
        found = mapper.map(next_state)
        if degrades:
            gain, gain_on_best = (found.effectiveness - m.effectiveness for m in (mapping, best))
        else:
            gain, gain_on_best = (found.accuracy - m.accuracy for m in (mapping, best))
        allowed = degrades or found.effectiveness >= 1
        if allowed and gain_on_best > 0:
            best_state, best = next_state, found
        if allowed and (gain > 0 or math.exp(gain / heat) > chance.random()):
            state, mapping = next_state, found
        heat *= COOLING
    return best_state, best


class _Mapper:
    """Maps clients to a state's variants; remembers the mapping of each state."""

    def __init__(self, arrays: ProblemArrays) -> None:
        self.arrays = arrays
        accuracies = [variant.accuracy for variant in arrays.problem.variants]
        self.by_accuracy = sorted(range(len(accuracies)), key=lambda m: accuracies[m])
        self._weights = arrays.weight.tolist()
        self._reach = [_batches(arrays, m) for m in range(len(accuracies))]
        self._mappings: dict[State, _Mapping] = {}

    def map(self, state: State) -> _Mapping:
        """The mapping of all clients to the state's variants."""
        mapping = self._mappings.get(state)
        if mapping is None:
            mapping = self._mappings[state] = self._map(state)
        return mapping

    def _map(self, state: State) -> _Mapping:
        arrays = self.arrays
        left = list(range(len(arrays.rate)))
        steps = []
        for rank in reversed(state):
            variant = self.by_accuracy[rank]
            chosen = self._fullest(variant, left)
            if chosen:
                steps.append(chosen)
                mapped = set(chosen.clients)
                left = [client for client in left if client not in mapped]
        return self._judge(tuple(steps))

    def _fullest(self, variant: int, clients: list[int]) -> CycleStep | None:
        """The clients that fill the variant's throughput best; None if it can serve none.

        A table over (clients in falling order of budget, frame rate): the row of a client ends at
        the throughput of the largest batch that its budget allows.
        """
        budgets, reach = self.arrays.budget[:, variant].tolist(), self._reach[variant]
        order = sorted(clients, key=lambda client: -budgets[client])
        rows = [[0] * (self._limit(reach, order[0]) + 1)] if order else []
        best, cell = 0, (0, 0)
        for number, client in enumerate(order, start=1):
            limit = self._limit(reach, client)
            if limit <= 0:
                break
            weight, above = self._weights[client], rows[-1]
            row = above[: limit + 1]
            for column in range(weight, limit + 1):
                filled = above[column - weight] + weight
                if filled > row[column]:
                    row[column] = filled
                    if filled > best:
                        best, cell = filled, (number, column)
            rows.append(row)
        if not best:
            return None
        number, column = cell
        chosen = []
        while number > 0 and column > 0:
            if rows[number][column] != rows[number - 1][column]:
                chosen.append(order[number - 1])
                column -= self._weights[order[number - 1]]
            number -= 1
        return self._step(variant, chosen)

    def _limit(self, reach: _Reach, client: int) -> int:
        return int(self.arrays.load_units(reach.capacity[reach.largest[client]]))

    def _step(self, variant: int, clients: list[int]) -> CycleStep:
        """With the smallest batch size that carries the clients' rate."""
        rate = int(self.arrays.rate[clients].sum())
        batch = int(np.argmax(self._reach[variant].capacity >= rate))
        return CycleStep(variant, batch, tuple(sorted(clients)))

    def _judge(self, steps: tuple[CycleStep, ...]) -> _Mapping:
        arrays = self.arrays
        effective = (arrays.budget > 0).any(axis=1)
        served = sum(len(step.clients) for step in steps)
        gained = sum(
            float(arrays.accuracy[c, step.variant] * arrays.rate[c])
            for step in steps
            for c in step.clients
        )
        total = float(arrays.rate[effective].sum())
        return _Mapping(
            steps,
            effectiveness=served / max(int(effective.sum()), 1),
            accuracy=gained / total if total else 0.0,
        )


@dataclass(frozen=True, slots=True)
class _Reach:
    """For a variant: the capacity of each batch size (0 of none), and each client's largest."""

    capacity: capacity_rules.Integers
    largest: capacity_rules.Integers


def _batches(arrays: ProblemArrays, variant: int) -> _Reach:
    """Batch sizes up to the first whose throughput falls: beyond, a larger one gains nothing."""
    latency = arrays.latency[variant]
    capacity = capacity_rules.capacity(np.arange(1, len(latency) + 1), latency)
    falls = np.flatnonzero(np.diff(capacity) < 0)
    usable = int(falls[0]) + 1 if len(falls) else len(latency)
    needs = np.maximum.accumulate(capacity_rules.need(latency, latency)[:usable])
    largest = np.searchsorted(needs, arrays.budget[:, variant], side="right")
    return _Reach(np.append(0, capacity[:usable]), largest.astype(np.int64))
