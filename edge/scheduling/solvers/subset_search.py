"""Few clients: the best cycle for every subset of them, then the best division among the GPUs.

With latencies that never fall, the batch sizes of a cycle follow from its clients: the least ones
that carry their rates within the cycle that they themselves make. They are found by raising each
in turn, and serve whatever any others could, so only assignments of clients to variants have to be
searched. Subsets are taken in the order of their bit masks, so that those of a subset are known
before it. Leaving a client out is then no branch of the search, and what a smaller subset is worth
bounds the branches of a larger one ("Russian doll search", Verfaillie, Lemaitre and Schiex, 1996).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.scheduling import capacity_rules
from edge.scheduling.capacity_rules import Integers
from edge.scheduling.plan import Cycle, CycleStep
from edge.scheduling.solvers.compiled import compiled
from edge.scheduling.solvers.greedy import Floats
from edge.scheduling.solvers.problem_arrays import ProblemArrays

MAX_CLIENTS = 6  # 64 subsets: with 16 variants seldom 150,000 assignments, with 8 clients millions
MAX_NODES = 500_000  # assignments that are tried at most: under a tenth of a second
_LEAST = 1e-9  # a smaller gain is rounding


def fits(arrays: ProblemArrays) -> bool:
    """Whether there are few enough clients."""
    return len(arrays.problem.clients) <= MAX_CLIENTS


def improved(arrays: ProblemArrays, cycles: Sequence[Cycle]) -> list[Cycle]:
    """The best cycles, or those given if none are better.

    At `MAX_NODES`, the best of what was tried until then.
    """
    value = sum(
        float(arrays.worth[client, step.variant])
        for cycle in cycles
        for step in cycle
        for client in step.clients
    )
    latency, batch = _never_falling(arrays.latency)
    worth = np.where(2 * latency[:, 0] <= arrays.budget, arrays.worth, 0.0)
    # High rates are decided first, at the highest bits: their branches end early.
    order = np.argsort(arrays.rate, kind="stable")
    subsets = 1 << len(order)
    best = np.zeros(subsets)
    chosen = np.full((subsets, len(order)), -1, dtype=np.int64)
    _search(
        latency,
        np.ascontiguousarray(arrays.budget[order]),
        arrays.rate[order],
        np.ascontiguousarray(worth[order]),
        MAX_NODES,
        best,
        chosen,
    )
    parts = _divided(best, arrays.problem.gpus)
    if sum(best[part] for part in parts) <= value + _LEAST:
        return [*cycles]
    found = [_cycle(arrays, latency, batch, order, chosen[part]) for part in parts]
    return [cycle for cycle in found if cycle]


def _cycle(
    arrays: ProblemArrays, latency: Integers, batch: Integers, order: Integers, chosen: Integers
) -> Cycle:
    """The cycle of one subset's assignment, a variant for each client (-1: not in it)."""
    variants = np.unique(chosen[chosen >= 0])
    served = [order[chosen == variant] for variant in variants]
    rates = np.array([arrays.rate[clients].sum() for clients in served], dtype=np.int64)
    sizes = np.ones(len(variants), dtype=np.int64)
    _raise_batches(latency, variants, rates, sizes, len(variants))
    return tuple(
        CycleStep(int(variant), int(batch[variant, size - 1]), tuple(sorted(clients.tolist())))
        for variant, size, clients in zip(variants, sizes, served, strict=True)
    )


def _never_falling(latency: Integers) -> tuple[Integers, Integers]:
    """(Latency of at least so many frames, the batch size that has it), as arrays of (variant,
    frames): where a larger batch takes less time, it serves fewer frames as well."""
    least = np.minimum.accumulate(latency[:, ::-1], axis=1)[:, ::-1]
    sizes = np.empty_like(latency)
    for frames in range(latency.shape[1]):
        sizes[:, frames] = frames + 1 + latency[:, frames:].argmin(axis=1)
    return np.ascontiguousarray(least), sizes


@compiled("int64(int64[:, ::1], int64[::1], int64[::1], int64[::1], int64)")
def _raise_batches(
    latency: Integers, variants: Integers, rates: Integers, sizes: Integers, steps: int
) -> int:
    """Raises the steps' batch sizes until each carries its rate; the cycle in ns, or -1 if no
    sizes do."""
    most = latency.shape[1]
    while True:
        cycle = 0
        for step in range(steps):
            cycle += latency[variants[step], sizes[step] - 1]
        is_enough = True
        for step in range(steps):
            while (sizes[step] * capacity_rules.PER_SECOND - 1) // cycle < rates[step]:
                is_enough = False
                sizes[step] += 1
                if sizes[step] > most:
                    return -1
        if is_enough:
            return cycle


@compiled(
    "int64(int64[:, ::1], int64[:, ::1], int64[::1], float64[:, ::1], int64, float64[::1], "
    "int64[:, ::1])"
)
def _search(
    latency: Integers,
    budget: Integers,
    rate: Integers,
    worth: Floats,
    nodes: int,
    best: Floats,
    chosen: Integers,
) -> int:
    """Writes what each subset is worth on one GPU, and its clients' variants (-1: unserved);
    returns the nodes that are left."""
    clients, variants = worth.shape
    ranked = np.empty((clients, variants), dtype=np.int64)
    for client in range(clients):
        ranked[client] = np.argsort(-worth[client])
    # The cycle's steps before each client was added, so that its removal is a return to them.
    count = np.zeros(clients + 1, dtype=np.int64)
    step_variant = np.zeros((clients + 1, clients), dtype=np.int64)
    step_rate = np.zeros((clients + 1, clients), dtype=np.int64)
    step_size = np.ones((clients + 1, clients), dtype=np.int64)
    step_budget = np.zeros((clients + 1, clients), dtype=np.int64)
    value = np.zeros(clients + 1)
    option = np.zeros(clients + 1, dtype=np.int64)  # the next rank that this client tries
    member = np.zeros(clients, dtype=np.int64)
    rest = np.zeros(clients + 1, dtype=np.int64)
    now = np.zeros(clients, dtype=np.int64)
    for subset in range(1, len(best)):
        size, remaining = 0, subset
        for client in range(clients - 1, -1, -1):
            if subset >> client & 1:
                without = subset ^ (1 << client)
                if best[without] > best[subset]:
                    best[subset] = best[without]
                    chosen[subset] = chosen[without]
                remaining ^= 1 << client
                member[size], rest[size] = client, remaining
                size += 1
        depth = 0
        option[0] = 0
        while depth >= 0 and nodes > 0:
            if depth == size:
                best[subset] = value[depth]  # greater, or the branch would have been left
                chosen[subset] = -1
                for place in range(size):
                    chosen[subset, member[place]] = now[place]
                depth -= 1
                continue
            client = member[depth]
            if option[depth] == variants:
                depth -= 1
                continue
            variant = ranked[client, option[depth]]
            option[depth] += 1
            gain = worth[client, variant]
            if gain <= 0.0 or value[depth] + gain + best[rest[depth]] <= best[subset]:
                depth -= 1  # the variants that follow are worth no more
                continue
            nodes -= 1
            after, steps = depth + 1, count[depth]
            at = steps
            for step in range(steps):
                step_variant[after, step] = step_variant[depth, step]
                step_rate[after, step] = step_rate[depth, step]
                step_size[after, step] = step_size[depth, step]
                step_budget[after, step] = step_budget[depth, step]
                if step_variant[depth, step] == variant:
                    at = step
            if at == steps:
                steps += 1
                step_variant[after, at], step_rate[after, at], step_size[after, at] = variant, 0, 1
                step_budget[after, at] = budget[client, variant]
            step_rate[after, at] += rate[client]
            step_budget[after, at] = min(step_budget[after, at], budget[client, variant])
            cycle = _raise_batches(
                latency, step_variant[after], step_rate[after], step_size[after], steps
            )
            is_possible = cycle >= 0
            for step in range(steps):
                if is_possible:
                    own = latency[step_variant[after, step], step_size[after, step] - 1]
                    is_possible = cycle + own <= step_budget[after, step]
            if is_possible:
                now[depth] = variant
                count[after], value[after] = steps, value[depth] + gain
                option[after] = 0
                depth = after
    return nodes


def _divided(best: Floats, gpus: int) -> list[int]:
    """A subset for each GPU, disjoint, of the greatest sum."""
    everybody = len(best) - 1
    total, parts = best, [np.arange(len(best))]  # of one GPU
    for _ in range(1, min(gpus, everybody.bit_length())):
        more, part = _one_gpu_more(total, best)
        total = more
        parts.append(part)
    left, found = everybody, []
    for part in reversed(parts):
        found.append(int(part[left]))
        left ^= found[-1]
    return found


@compiled("Tuple((float64[::1], int64[::1]))(float64[::1], float64[::1])")
def _one_gpu_more(total: Floats, best: Floats) -> tuple[Floats, Integers]:
    """(What each subset is worth with one GPU more, the part of it on that GPU)."""
    more, part = total.copy(), np.zeros(len(total), dtype=np.int64)
    for subset in range(1, len(total)):
        inside = subset
        while inside:
            value = total[subset ^ inside] + best[inside]
            if value > more[subset]:
                more[subset], part[subset] = value, inside
            inside = (inside - 1) & subset
    return more, part
