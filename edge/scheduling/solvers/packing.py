"""Clients into given bins: every pair of bins is packed as well as can be, until none gains.

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
_LEAN = 1e-8  # a nudge towards the first bins, so that odd bits of capacity come together

_BINS = "int64[::1], float64[:, ::1], int64[::1], int64[::1]"
_SCRATCH = "float64[::1], boolean[:, ::1]"


class Packing:
    """An assignment of clients to bins; the last bin, with room for all, is being unserved.

    `worth` is clients x bins, 0 where a client is not allowed; `weight` and `room` are whole
    numbers in one unit. Clients come in the order in which they choose, bins in the order in which
    they should fill.
    """

    def __init__(self, worth: Floats, weight: Integers, room: Integers) -> None:
        clients, bins = worth.shape
        self.none = bins
        self._weight = weight
        self._worth = np.zeros((clients, bins + 1))
        self._worth[:, :-1] = worth
        self._room = np.append(room, weight.sum())
        self.bin = np.full(clients, bins, dtype=np.int64)

    @property
    def value(self) -> float:
        """The worth of all clients where they are."""
        return float(self._worth[np.arange(len(self.bin)), self.bin].sum())

    def fill(self) -> None:
        """Puts each client where it is worth most and still fits."""
        _fill(self.bin, self._worth, self._weight, self._room)

    def improve(self) -> None:
        """Packs pairs of bins anew until no pair gains."""
        lean = _LEAN / max(int(self._weight.max(initial=0)), 1)
        pull = self._worth + lean * np.outer(self._weight, np.arange(self.none, -1, -1))
        pull[:, :-1][self._worth[:, :-1] == 0] = -np.inf
        most = int(self._room[:-1].max(initial=0)) + 1
        _improve(
            self.bin,
            pull,
            self._weight,
            self._room,
            np.empty(most),
            np.empty((len(self.bin), most), dtype=np.bool_),
        )


@compiled(f"void({_BINS})")
def _fill(bin_of: Integers, worth: Floats, weight: Integers, room: Integers) -> None:
    none = len(room) - 1
    left = room.copy()
    for client in range(len(bin_of)):
        best, at = 0.0, none
        for place in range(none):
            if worth[client, place] > best and left[place] >= weight[client]:
                best, at = worth[client, place], place
        bin_of[client] = at
        left[at] -= weight[client]


@compiled(f"boolean(int64, int64, {_BINS}, {_SCRATCH})")
def _pair(
    one: int,
    other: int,
    bin_of: Integers,
    pull: Floats,
    weight: Integers,
    room: Integers,
    value: Floats,
    taken: Flags,
) -> bool:
    """Whether the clients of two bins found a better division between them.

    `pull` is what a client is worth in a bin, minus infinity where it isn't allowed; `value` and
    `taken` are scratch.
    """
    free = np.empty(len(bin_of), dtype=np.int64)
    count, total, now, first = 0, 0, 0.0, 0
    left_one, left_other = room[one], room[other]
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
    if count == 0 or (other == len(room) - 1 and first == count):
        return False
    most, least = min(left_one, total), max(total - left_other, 0)
    value[: most + 1] = -np.inf  # the best gain at each load of the first bin
    value[0] = 0.0
    reached = 0
    for index in range(count):
        client = free[index]
        heavy, gain = weight[client], pull[client, one] - pull[client, other]
        reached = min(reached + heavy, most)
        taken[index, : most + 1] = False
        for load in range(reached, heavy - 1, -1):
            found = value[load - heavy] + gain
            if found > value[load]:
                value[load] = found
                taken[index, load] = True
    load = least + int(value[least : most + 1].argmax())
    if not value[load] > now + _LEAST:
        return False
    for index in range(count - 1, -1, -1):
        client = free[index]
        if taken[index, load]:
            bin_of[client] = one
            load -= weight[client]
        else:
            bin_of[client] = other
    return True


@compiled(f"void({_BINS}, {_SCRATCH})")
def _improve(
    bin_of: Integers, pull: Floats, weight: Integers, room: Integers, value: Floats, taken: Flags
) -> None:
    bins = len(room)
    touched = np.ones(bins, dtype=np.bool_)
    for _ in range(SWEEPS):
        changed = np.zeros(bins, dtype=np.bool_)
        for one in range(bins - 1):
            for other in range(one + 1, bins):
                if touched[one] or touched[other] or changed[one] or changed[other]:  # noqa: SIM102
                    if _pair(one, other, bin_of, pull, weight, room, value, taken):
                        changed[one] = changed[other] = True
        if not changed.any():
            return
        touched = changed
