"""Several variants in one GPU's cycle: improves a plan GPU by GPU, and never worsens it.

One GPU's cycle is replaced by the best of its neighbours, for its own clients, those that nobody
serves and those of one other GPU, whose cycle stays. A neighbour keeps some of the variants, at
any batch sizes, and takes up at most one other.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from edge.scheduler import rules
from edge.scheduler.pack import Packing
from edge.scheduler.plan import Slot
from edge.scheduler.rules import Integers
from edge.scheduler.tables import FAR_NS, Tables

MAX_VARIANTS = 3  # in a cycle: more keep every client waiting for little
_LEAST = 1e-9  # a smaller gain is rounding

Cycle = tuple[Slot, ...]


class Share:
    """The cycles of all GPUs while they are being improved; `effort` bounds the work."""

    def __init__(self, tables: Tables, cycles: Sequence[Cycle], effort: float) -> None:
        self._tables = tables
        idle = tables.problem.gpus - len(cycles)
        self.cycles: list[Cycle] = [*cycles, *[()] * idle]
        self._left = effort
        self._unit = max(int(np.gcd.reduce(tables.rate)), 1)
        self._weight: Integers = tables.rate // self._unit
        # Clients with little time first: they have the fewest places to go.
        self._order = np.lexsort((-tables.rate, tables.budget.max(axis=1, initial=0)))

    def run(self) -> list[Cycle]:
        """The improved cycles, without those that serve nobody."""
        gains = True
        while gains and self._left > 0:
            gains = False
            for one, other in self._steps():
                if self._left > 0:
                    gains |= self._improve(one, other)
        return [cycle for cycle in self.cycles if cycle]

    def _steps(self) -> Iterator[tuple[int, int | None]]:
        """Each GPU by itself, then with each other one."""
        gpus = range(len(self.cycles))
        yield from ((gpu, None) for gpu in gpus)
        yield from itertools.permutations(gpus, 2)

    def _improve(self, gpu: int, other: int | None) -> bool:
        """Whether the GPU, and the other's clients with it, found something better."""
        tables = self._tables
        fixed = self.cycles[other] if other is not None else ()
        slots = (*self.cycles[gpu], *fixed)
        served = {c for cycle in self.cycles for slot in cycle for c in slot.clients}
        mine = {c for slot in slots for c in slot.clients}
        pool = np.array([c for c in self._order if c in mine or c not in served], dtype=np.int64)
        if not len(pool):
            return False
        value = sum(float(tables.worth[c, slot.variant]) for slot in slots for c in slot.clients)
        variant, batch = self._neighbours(self.cycles[gpu], pool)
        if not len(variant):
            return False
        need, room = self._bins(variant, batch)
        fixed_variant = np.array([slot.variant for slot in fixed], dtype=np.int64)
        fixed_batch = np.array([slot.batch for slot in fixed], dtype=np.int64)
        fixed_need, fixed_room = self._bins(fixed_variant[None], fixed_batch[None])
        shape = (len(variant), len(fixed))
        variants = np.hstack([variant, np.broadcast_to(fixed_variant, shape)])
        needs = np.hstack([need, np.broadcast_to(fixed_need, shape)])
        rooms = np.hstack([room, np.broadcast_to(fixed_room, shape)])
        values = self._judge(pool, variants, needs, rooms)
        best = int(values.argmax())
        if values[best] <= value + _LEAST:
            return False
        packing = Packing(
            np.where(
                tables.budget[pool][:, variants[best]] >= needs[best],
                tables.worth[pool][:, variants[best]],
                0.0,
            ),
            self._weight[pool],
            rooms[best],
        )
        packing.fill(np.arange(len(pool)))
        packing.improve()
        if packing.value <= value + _LEAST:
            return False
        bins = [tuple(sorted(pool[packing.bin == i].tolist())) for i in range(len(rooms[best]))]
        width = variant.shape[1]
        self.cycles[gpu] = _cycle(variant[best], batch[best], bins[:width])
        if other is not None:
            self.cycles[other] = _cycle(fixed_variant, fixed_batch, bins[width:])
        return True

    def _judge(
        self, pool: Integers, variants: Integers, needs: Integers, rooms: Integers
    ) -> NDArray[np.float64]:
        """The worth of the pool's clients in each row of bins, packed greedily in their order."""
        self._left -= variants.size * len(pool)
        left = rooms.copy()
        flat, start = left.ravel(), np.arange(len(left)) * left.shape[1]
        value = np.zeros(len(left))
        for client in pool:
            weight = int(self._weight[client])
            offer = self._tables.worth[client].take(variants)
            offer *= self._tables.budget[client].take(variants) >= needs
            offer *= left >= weight
            best = offer.argmax(axis=1) + start
            gain = offer.ravel().take(best)
            value += gain
            flat[best] -= weight * (gain > 0)
        return value

    def _bins(self, variant: Integers, batch: Integers) -> tuple[Integers, Integers]:
        """(need, room) of each slot of each cycle (a row); an empty slot, of batch 0, has none."""
        latency = np.where(batch > 0, self._tables.latency[variant, batch - 1], 0)
        cycle = np.maximum(latency.sum(axis=1, keepdims=True), 1)
        need = np.where(batch > 0, rules.need(cycle, latency), FAR_NS)
        room = np.where(batch > 0, rules.capacity(batch, cycle) // self._unit, 0)
        return need, room

    def _neighbours(self, cycle: Cycle, pool: Integers) -> tuple[Integers, Integers]:
        """(variants, batches) of the cycles that may replace this one, a row each."""
        tables = self._tables
        count, most = tables.latency.shape
        sizes = range(1, most + 1)
        kept = [slot.variant for slot in cycle]
        blocks = []
        for size in range(min(len(kept), MAX_VARIANTS - 1) + 1):
            for keep in itertools.combinations(kept, size):
                batches = np.array([*itertools.product(sizes, repeat=size)], dtype=np.int64)
                others = (m for m in range(count) if m not in keep)
                added = np.array([(0, 0), *itertools.product(others, sizes)])
                left = np.repeat(batches, len(added), axis=0)
                right = np.tile(added, (len(batches), 1))
                block = np.zeros((len(left), 2, MAX_VARIANTS), dtype=np.int64)
                block[:, 0, :size], block[:, 1, :size] = keep, left
                block[:, :, size] = right
                blocks.append(block)
        rows = np.concatenate(blocks)
        variant, batch = rows[:, 0], rows[:, 1]
        need, _ = self._bins(variant, batch)
        longest = tables.budget[pool].max(axis=0)
        usable = ((need <= longest[variant]) | (batch == 0)).all(axis=1) & (batch > 0).any(axis=1)
        return variant[usable], batch[usable]


def _cycle(variants: Integers, batches: Integers, clients: list[tuple[int, ...]]) -> Cycle:
    """Slots of those variants that serve someone."""
    parts = zip(variants.tolist(), batches.tolist(), clients, strict=True)
    return tuple(Slot(m, b, who) for m, b, who in parts if who)
