"""The admission of one more session, if the others stay unharmed. Pure.

A newcomer is assumed to be an average session. Where most of the devices' time is taken, the
scheduler is asked as well (`can_serve_another`): only it can tell whose frames can share a batch.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.scheduling.problem import Problem

MAX_DEVICE_LOAD = 0.9  # of the time that plans may fill: devices drift
MAX_INGEST_LOAD = 0.85  # of the core that receives streams: the rest is for bursts
ASK_SCHEDULER_FROM = 0.5  # device load; below, one more session can be served in any case


@dataclass(frozen=True, slots=True)
class ServerLoad:
    """The server's distance from its limits.

    `devices` is the share of the devices' plannable time that the planned sessions need at least,
    `ingest` the share of a core that the least busy receiving process uses, `planned` the sessions
    that both are measured with, `newcomers` those that have joined since. `can_serve_another` is
    the scheduler's answer for one session more than the plan in force has; None if not asked.
    """

    devices: float
    ingest: float
    planned: int
    newcomers: int
    can_serve_another: bool | None = None


def refusal_reason(load: ServerLoad) -> str | None:
    """Why one more session is refused; None if it is admitted. The first always is."""
    if load.planned + load.newcomers == 0:
        return None
    growth = (load.newcomers + 1) / max(1, load.planned)
    if load.planned and load.devices * (1.0 + growth) > MAX_DEVICE_LOAD:
        return "the devices could not serve one more in time"
    if load.can_serve_another is False or (load.can_serve_another and load.newcomers):
        return "the scheduler finds no room for one more"
    if load.planned and load.ingest * (1.0 + growth) > MAX_INGEST_LOAD:
        return "one more stream could not be taken in in time"
    return None


def minimum_load(problem: Problem) -> float:
    """The least share of the devices' time that serves all clients; a plan may take more.

    Each client is served with the least time a frame that its budget allows, in the largest batch
    that it can wait for.
    """
    if not problem.gpus:
        return float("inf") if problem.clients else 0.0
    total = 0.0
    for client in problem.clients:
        costs = [
            ms / batch
            for variant, budget_ms in zip(problem.variants, client.budget_ms, strict=True)
            for batch, ms in enumerate(variant.latency_ms, start=1)
            if 2.0 * ms <= budget_ms
        ]
        # Without any budget its frames are still tried, each in a batch of its own.
        alone = (variant.latency_ms[0] for variant in problem.variants)
        total += client.fps * (min(costs) if costs else min(alone, default=0.0)) / 1000.0
    return total / problem.gpus
