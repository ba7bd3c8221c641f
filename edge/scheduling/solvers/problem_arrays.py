"""A problem as arrays of whole numbers, for all solvers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edge.scheduling import capacity_rules
from edge.scheduling.capacity_rules import Integers
from edge.scheduling.problem import Problem

FAR_NS = 10**16  # the latency of a batch that a variant's row doesn't have: beyond any budget
STEPS = 2000  # of load, at most, that a dynamic programme distinguishes in one bin
_WASTE = 1e-4  # share of all load that rounding may add without a finer unit being looked for
_SLACK = 1e-6  # relative; rates of 10 / 0.7 and 25 / 0.7 are multiples of one unit but for rounding


@dataclass(frozen=True)
class Columns:
    """The choices for a GPU that runs one variant: one array element each."""

    variant: Integers
    batch: Integers
    need: Integers  # least budget of a client, ns
    capacity: Integers  # greatest summed rate, 1e-6 frames a second


class ProblemArrays:
    """Arrays over clients (first axis) and variants (second), in whole units.

    `worth` is what serving a client with a variant adds to a plan's value: 1 for being served,
    and its share of the accuracy, scaled so that all clients' shares add up to less than 1. So
    one number compares plans by clients served first, by accuracy second.

    `weight` and `load_units` count load in `unit`s: clients' rates are rounded up and capacities
    down, so that a load which fits in units fits. The unit is the rates' greatest common divisor,
    and nothing is rounded, unless that would distinguish more than STEPS loads.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        clients, variants = problem.clients, problem.variants
        batches = max((len(v.latency_ms) for v in variants), default=0)
        self.latency: Integers = np.full((len(variants), batches), FAR_NS, dtype=np.int64)
        for row, variant in enumerate(variants):
            self.latency[row, : len(variant.latency_ms)] = capacity_rules.nanoseconds(
                variant.latency_ms
            )
        shape = (len(clients), len(variants))
        self.rate = capacity_rules.microhertz([client.fps for client in clients])
        self.budget = capacity_rules.nanoseconds([client.budget_ms for client in clients]).reshape(
            shape
        )
        own = [variant.accuracy for variant in variants]
        self.accuracy: NDArray[np.float64] = np.array(
            [client.accuracy or own for client in clients], dtype=np.float64
        ).reshape(shape)
        gain = self.accuracy * np.array([client.fps for client in clients]).reshape(-1, 1)
        most = float(gain.max(axis=1, initial=0.0).sum())
        self.worth: NDArray[np.float64] = 1.0 + gain * (0.999 / most if most else 0.0)

    @cached_property
    def unit(self) -> int:
        """The unit of load, 1e-6 frames a second."""
        rates, times = np.unique(self.rate, return_counts=True)
        exact = max(int(np.gcd.reduce(rates)), 1)
        most = min(int(self.columns.capacity.max(initial=0)), int(self.rate.sum()))
        least = -(-most // STEPS)
        if exact >= least:
            return exact
        # Parts of the lowest rate, the coarsest first.
        part = int(rates[0]) * (1 + _SLACK)
        units = np.ceil(part / np.arange(1, part // least + 1)).astype(np.int64)
        units = np.append(units[units >= least], least)
        total = (-(-rates // units[:, None]) * units[:, None]) @ times
        good = np.flatnonzero(total <= self.rate.sum() * (1 + _WASTE))
        return int(units[good[0] if len(good) else total.argmin()])

    @cached_property
    def weight(self) -> Integers:
        """Each client's load, in units."""
        return np.asarray(-(-self.rate // self.unit))

    def load_units(self, capacity: Integers) -> Integers:
        """A bin's capacity in units: at most STEPS and the clients' number."""
        return np.asarray(np.minimum(capacity // self.unit, self.weight.sum()))

    @cached_property
    def columns(self) -> Columns:
        """All (variant, batch) that could serve some client on a GPU of their own.

        Without those that another batch size of the variant dominates: usable by the same clients,
        with at least as much capacity for them.
        """
        found: list[tuple[int, int, int, int]] = []  # variant, batch, need, capacity
        sizes = np.arange(1, self.latency.shape[1] + 1)
        for m, row in enumerate(self.latency):
            needs, capacities = capacity_rules.need(row, row), capacity_rules.capacity(sizes, row)
            order = np.argsort(self.budget[:, m])
            budgets, rates = self.budget[order, m], self.rate[order]
            shut = np.searchsorted(budgets, needs)  # how many clients have too little time
            loads = np.append(rates[::-1].cumsum()[::-1], 0)[shut]
            best, last = 0, -1
            for b in np.lexsort((-capacities, needs)):
                if not loads[b] or capacities[b] <= best or best >= loads[b]:
                    continue
                best = int(capacities[b])
                if shut[b] == last:
                    found.pop()
                last = int(shut[b])
                found.append((m, int(b) + 1, int(needs[b]), best))
        return Columns(*np.array(found, dtype=np.int64).reshape(-1, 4).T.copy())
