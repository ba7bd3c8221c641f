"""A floor under each client's accuracy: a share of what it would have with a GPU to itself.

A plan that maximises the mean accuracy may give one client the smallest input so that another has
the largest. The floor is kept as long as a plan that keeps it serves as many clients; else the
highest floor below it for which that holds is searched for. A floor of 1 is so max-min fairness of
these shares. Pure functions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edge.scheduling import capacity_rules
from edge.scheduling.plan import Plan
from edge.scheduling.problem import Problem

ACCURACY_FLOOR = 0.7  # the server's default
_TRIES = 4  # problems solved beside the first one, at most
_CLOSE = 0.02  # between two floors: nearer ones are not told apart
_SLACK = 1e-9  # of accuracies


def accuracies(problem: Problem) -> NDArray[np.float64]:
    """The accuracy of each client (first axis) with each variant (second)."""
    own = [variant.accuracy for variant in problem.variants]
    shape = (len(problem.clients), len(problem.variants))
    return np.array([client.accuracy or own for client in problem.clients]).reshape(shape)


def alone(problem: Problem) -> NDArray[np.float64]:
    """The accuracy of each client with a GPU to itself; 0 where not even that serves it."""
    clients = problem.clients
    best = np.zeros(len(clients))
    if not problem.gpus or not problem.variants:
        return best
    gains = accuracies(problem)
    budgets = capacity_rules.nanoseconds([client.budget_ms for client in clients])
    budgets = budgets.reshape(len(clients), len(problem.variants))
    rates = capacity_rules.microhertz([client.fps for client in clients])
    for index, variant in enumerate(problem.variants):
        latencies = capacity_rules.nanoseconds(variant.latency_ms)
        needs = capacity_rules.need(latencies, latencies)
        carried = capacity_rules.capacity(np.arange(1, len(latencies) + 1), latencies)
        serves = (needs <= budgets[:, index, None]) & (rates[:, None] <= carried)
        best = np.maximum(best, np.where(serves.any(axis=1), gains[:, index], 0.0))
    return best


def least_share(plan: Plan) -> float:
    """The least that a served client has of its accuracy alone; 1 if none is served."""
    best = alone(plan.problem)
    return min(
        (
            plan.problem.accuracy(plan.problem.clients[client], variant) / best[client]
            for client, variant in plan.variant_of.items()
            if best[client] > 0.0
        ),
        default=1.0,
    )


def with_floor(problem: Problem, floor: float) -> Problem:
    """The problem without the variants that give a client less than `floor` of its accuracy alone.

    They stay in it, with no budget.
    """
    shut = accuracies(problem) < (floor * alone(problem))[:, None] - _SLACK
    clients = tuple(
        replace(
            client,
            budget_ms=tuple(
                0.0 if is_shut else budget_ms
                for budget_ms, is_shut in zip(client.budget_ms, row, strict=True)
            ),
        )
        if row.any()
        else client
        for client, row in zip(problem.clients, shut, strict=True)
    )
    return replace(problem, clients=clients)


def solve_fairly(problem: Problem, floor: float, solve: Callable[[Problem], Plan]) -> Plan:
    """A plan of `solve` that serves as many clients, and keeps the floor or comes near it.

    `floor`: the least share, 0 to 1, that each served client has of its accuracy alone; 0: none.
    """
    best = solve(problem)
    low, tried = least_share(best), min(1.0, floor)
    high = tried
    for _ in range(_TRIES):
        if high - low < _CLOSE:
            break
        fairer = solve(with_floor(problem, tried))
        if fairer.served >= best.served:
            best = replace(fairer, problem=problem, is_proved=False)
            low = max(tried, least_share(best))
        else:
            high = tried
        tried = (low + high) / 2.0
    return best
