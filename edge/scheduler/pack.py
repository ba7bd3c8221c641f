"""Clients into given bins: every pair of bins is packed as well as can be, until none gains.

A bin is a variant at a batch size on a GPU, with a capacity. A client weighs the same in every
bin but is worth what the bin's variant makes of it, or is not allowed there. For two bins the
best packing is a dynamic programme over the load of the first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.scheduler.rules import Integers

Floats = NDArray[np.float64]

SWEEPS = 20
_LEAST = 1e-10  # a smaller gain is rounding
_LEAN = 1e-8  # a nudge towards the first bins, so that odd bits of capacity come together


class Packing:
    """An assignment of clients to bins; the last bin, with room for all, is being unserved.

    `worth` is clients x bins, 0 where a client is not allowed; `weight` and `room` are whole
    numbers in one unit. Bins come in the order in which they should fill.
    """

    def __init__(self, worth: Floats, weight: Integers, room: Integers) -> None:
        clients, bins = worth.shape
        self.none = bins
        self.weight = weight
        self._worth = np.hstack([worth, np.zeros((clients, 1))])
        self._allowed = np.hstack([worth > 0, np.ones((clients, 1), dtype=bool)])
        lean = _LEAN * np.outer(weight, np.arange(bins, -1, -1)) / max(int(weight.max()), 1)
        self._pull = self._worth + lean
        self._room = np.append(room, weight.sum())
        self.bin = np.full(clients, bins, dtype=np.int64)

    @property
    def value(self) -> float:
        """The worth of all clients where they are."""
        return float(self._worth[np.arange(len(self.bin)), self.bin].sum())

    def fill(self, order: Integers) -> None:
        """Puts each client, in that order, where it is worth most and still fits."""
        left = self._room[:-1].copy()
        for client in order:
            worth = self._worth[client, :-1] * (left >= self.weight[client])
            best = int(worth.argmax())
            if worth[best] > 0:
                self.bin[client] = best
                left[best] -= self.weight[client]

    def improve(self) -> None:
        """Packs pairs of bins anew until no pair gains."""
        touched = np.ones(self.none + 1, dtype=bool)
        for _ in range(SWEEPS):
            changed = np.zeros(self.none + 1, dtype=bool)
            for one in range(self.none):
                for other in range(one + 1, self.none + 1):
                    if touched[[one, other]].any() or changed[[one, other]].any():
                        changed[[one, other]] |= self._pair(one, other)
            if not changed.any():
                return
            touched = changed

    def _pair(self, one: int, other: int) -> bool:
        """Whether the clients of two bins found a better division between them."""
        here = (self.bin == one) | (self.bin == other)
        free = np.flatnonzero(here & self._allowed[:, one] & self._allowed[:, other])
        if not len(free):
            return False
        first = self.bin[free] == one
        if other == self.none and first.all():
            return False
        weight = self.weight[free]
        gain = self._pull[free, one] - self._pull[free, other]
        stuck = here.copy()
        stuck[free] = False
        held = [int(self.weight[stuck & (self.bin == each)].sum()) for each in (one, other)]
        total = int(weight.sum())
        most = min(int(self._room[one]) - held[0], total)
        least = max(total - (int(self._room[other]) - held[1]), 0)
        value = np.full(most + 1, -np.inf)  # best gain at each load of the first bin
        value[0] = 0.0
        taken = []
        for heavy, extra in zip(weight.tolist(), gain.tolist(), strict=True):
            with_it = value[: max(most + 1 - heavy, 0)] + extra
            better = with_it > value[heavy:]
            value[heavy:] = np.where(better, with_it, value[heavy:])
            taken.append(better)
        load = least + int(value[least:].argmax())
        if not value[load] > float(gain[first].sum()) + _LEAST:
            return False
        for index in range(len(free) - 1, -1, -1):
            heavy = int(weight[index])
            takes = load >= heavy and bool(taken[index][load - heavy])
            self.bin[free[index]] = one if takes else other
            load -= heavy if takes else 0
        return True
