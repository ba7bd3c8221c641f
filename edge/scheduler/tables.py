"""A problem as arrays, which is how every solver reads it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edge.scheduler import rules
from edge.scheduler.problem import Problem
from edge.scheduler.rules import Integers

FAR_NS = 10**16  # the latency of a batch that a variant's row doesn't have: beyond any budget


@dataclass(frozen=True)
class Columns:
    """Ways to run one variant on a GPU of its own, one an element."""

    variant: Integers
    batch: Integers
    need: Integers  # least budget of a client, ns
    capacity: Integers  # greatest summed rate, 1e-6 frames a second


class Tables:
    """Arrays over clients (first axis) and variants (second), in whole units.

    `worth` is what serving a client with a variant adds to a plan's value: 1 for being served,
    and its share of the accuracy, scaled so that all clients' shares add up to less than 1. So
    one number compares plans by clients served first, by accuracy second.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        clients, variants = problem.clients, problem.variants
        batches = max((len(v.latency_ms) for v in variants), default=0)
        self.latency: Integers = np.full((len(variants), batches), FAR_NS, dtype=np.int64)
        for row, variant in enumerate(variants):
            self.latency[row, : len(variant.latency_ms)] = rules.nanoseconds(variant.latency_ms)
        shape = (len(clients), len(variants))
        self.rate = rules.microhertz([client.fps for client in clients])
        self.budget = rules.nanoseconds([client.budget_ms for client in clients]).reshape(shape)
        own = [variant.accuracy for variant in variants]
        self.accuracy: NDArray[np.float64] = np.array(
            [client.accuracy or own for client in clients], dtype=np.float64
        ).reshape(shape)
        gain = self.accuracy * np.array([client.fps for client in clients]).reshape(-1, 1)
        most = float(gain.max(axis=1, initial=0.0).sum())
        self.worth: NDArray[np.float64] = 1.0 + gain * (0.999 / most if most else 0.0)

    @cached_property
    def columns(self) -> Columns:
        """All (variant, batch) that some client could use alone, without those that another
        batch size of the variant beats: as quick, and as much capacity."""
        variant, batch, need, capacity = [], [], [], []
        sizes = np.arange(1, self.latency.shape[1] + 1)
        for m, row in enumerate(self.latency):
            needs, capacities = rules.need(row, row), rules.capacity(sizes, row)
            longest = self.budget[:, m].max(initial=0)
            best = 0
            for b in np.lexsort((-capacities, needs)):
                if needs[b] <= longest and capacities[b] > best:
                    best = int(capacities[b])
                    variant.append(m)
                    batch.append(b + 1)
                    need.append(needs[b])
                    capacity.append(best)
        arrays = [np.array(a, dtype=np.int64) for a in (variant, batch, need, capacity)]
        return Columns(*arrays)
