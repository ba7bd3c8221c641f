"""Clients into given bins: every pair of bins is packed optimally, until no pair gains.

A bin is a variant at a batch size on a GPU, with a capacity. A client weighs the same in every
bin but is worth what the bin's variant makes of it, or is not allowed there. For two bins the
best packing is a dynamic programme over the load of the first. The loops are compiled.
"""

from __future__ import annotations

import numpy as np

from edge.scheduling.capacity_rules import Integers
from edge.scheduling.solvers.compiled import compiled
from edge.scheduling.solvers.greedy import Flags, Floats

SWEEPS = 20
_LEAST = 1e-10  # a smaller gain is rounding
_NUDGE = (
    1e-8  # a nudge towards the first bins, so that the spare capacity collects in the last bins
)

_BINS = "int64[::1], float64[:, ::1], int64[::1], int64[::1]"
_SCRATCH = "float64[::1], boolean[:, ::1]"


class Packing:
    """An assignment of clients to bins; the last bin, with capacity for all, stands for unserved.

    `worth` is clients x bins, 0 where a client is not allowed; `weight` and `capacity` are whole
    numbers in one unit. Clients are in the order in which they choose, bins in the order in which
    they should fill.
    """

    def __init__(self, worth: Floats, weight: Integers, capacity: Integers) -> None:
        clients, bins = worth.shape
        self.unserved = bins
        self._weight = weight
        self._worth = np.zeros((clients, bins + 1))
        self._worth[:, :-1] = worth
        self._capacity = np.append(capacity, weight.sum())
        self.bin = np.full(clients, bins, dtype=np.int64)

    @property
    def value(self) -> float:
        """The worth of all clients where they are."""
        return float(self._worth[np.arange(len(self.bin)), self.bin].sum())

    def assign_greedily(self) -> None:
        """Puts each client where it is worth most and still fits."""
        _assign_greedily(self.bin, self._worth, self._weight, self._capacity)

    def repack_pairs(self) -> None:
        """Packs pairs of bins anew until no pair gains."""
        nudge = _NUDGE / max(int(self._weight.max(initial=0)), 1)
        pull = self._worth + nudge * np.outer(self._weight, np.arange(self.unserved, -1, -1))
        pull[:, :-1][self._worth[:, :-1] == 0] = -np.inf
        most = int(self._capacity[:-1].max(initial=0)) + 1
        _repack_pairs(
            self.bin,
            pull,
            self._weight,
            self._capacity,
            np.empty(most),
            np.empty((len(self.bin), most), dtype=np.bool_),
        )


@compiled(f"void({_BINS})")
def _assign_greedily(bin_of: Integers, worth: Floats, weight: Integers, capacity: Integers) -> None:
    unserved = len(capacity) - 1
    left = capacity.copy()
    for client in range(len(bin_of)):
        best, at = 0.0, unserved
        for place in range(unserved):
            if worth[client, place] > best and left[place] >= weight[client]:
                best, at = worth[client, place], place
        bin_of[client] = at
        left[at] -= weight[client]


@compiled(f"boolean(int64, int64, {_BINS}, {_SCRATCH})")
def _repack_pair(
    one: int,
    other: int,
    bin_of: Integers,
    pull: Floats,
    weight: Integers,
    capacity: Integers,
    value: Floats,
    chosen: Flags,
) -> bool:
    """Divides the clients of two bins better, if possible; whether it was.

    `pull` is what a client is worth in a bin, minus infinity where it isn't allowed; `value` and
    `chosen` are scratch.
    """
    free = np.empty(len(bin_of), dtype=np.int64)
    count, total, now, first = 0, 0, 0.0, 0
    left_one, left_other = capacity[one], capacity[other]
    for client in range(len(bin_of)):
        place, heavy = bin_of[client], weight[client]
        if place not in (one, other):
            continue
        gain = pull[client, one] - pull[client, other]
        if np.isfinite(gain):
            free[count] = client
            count += 1
            total += heavy
            if place == one:
                now += gain
                first += 1
        elif place == one:
            left_one -= heavy
        else:
            left_other -= heavy
    if count == 0 or (other == len(capacity) - 1 and first == count):
        return False
    most, least = min(left_one, total), max(total - left_other, 0)
    value[: most + 1] = -np.inf  # the best gain at each load of the first bin
    value[0] = 0.0
    reached = 0
    for index in range(count):
        client = free[index]
        heavy, gain = weight[client], pull[client, one] - pull[client, other]
        reached = min(reached + heavy, most)
        chosen[index, : most + 1] = False
        for load in range(reached, heavy - 1, -1):
            found = value[load - heavy] + gain
            if found > value[load]:
                value[load] = found
                chosen[index, load] = True
    load = least + int(value[least : most + 1].argmax())
    if not value[load] > now + _LEAST:
        return False
    for index in range(count - 1, -1, -1):
        client = free[index]
        if chosen[index, load]:
            bin_of[client] = one
            load -= weight[client]
        else:
            bin_of[client] = other
    return True


@compiled(f"void({_BINS}, {_SCRATCH})")
def _repack_pairs(
    bin_of: Integers,
    pull: Floats,
    weight: Integers,
    capacity: Integers,
    value: Floats,
    chosen: Flags,
) -> None:
    bins = len(capacity)
    touched = np.ones(bins, dtype=np.bool_)
    for _ in range(SWEEPS):
        changed = np.zeros(bins, dtype=np.bool_)
        for one in range(bins - 1):
            for other in range(one + 1, bins):
                if touched[one] or touched[other] or changed[one] or changed[other]:  # noqa: SIM102
                    if _repack_pair(one, other, bin_of, pull, weight, capacity, value, chosen):
                        changed[one] = changed[other] = True
        if not changed.any():
            return
        touched = changed
