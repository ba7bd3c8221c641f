"""Whether one session more can be taken without those that are there paying for it. Pure.

A newcomer is taken for an average session. Where most of the devices' time is taken, the scheduler
is asked as well (`room`): it knows whose frames can share a batch, which no sum tells.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.scheduling.problem import Problem

DEVICES_MOST = 0.9  # of the time that plans may fill: devices drift
CORE_MOST = 0.85  # of the core that takes streams in: the rest is for bursts
ASK_FROM = 0.5  # of the devices' time; below, there is room for one more in any case


@dataclass(frozen=True, slots=True)
class AdmissionState:
    """How near the server is to its limit.

    `devices` is the part of the devices' plannable time that the sessions in the plan take at the
    least, `core` the part of a core that the least busy process which takes streams in spends,
    `measured` the sessions that both are of, `newcomers` those that have come since. `room`: the
    scheduler's word on one more than the plan in force has; None where it was not asked.
    """

    devices: float
    core: float
    measured: int
    newcomers: int
    room: bool | None = None


def why_not(pressure: AdmissionState) -> str | None:
    """What one more would overload, in words; None if nothing. The first is always taken."""
    if pressure.measured + pressure.newcomers == 0:
        return None
    more = (pressure.newcomers + 1) / max(1, pressure.measured)
    if pressure.measured and pressure.devices * (1.0 + more) > DEVICES_MOST:
        return "the devices could not serve one more in time"
    if pressure.room is False or (pressure.room and pressure.newcomers):
        return "the scheduler finds no room for one more"
    if pressure.measured and pressure.core * (1.0 + more) > CORE_MOST:
        return "one more stream could not be taken in in time"
    return None


def least_load(problem: Problem) -> float:
    """Part of the devices' time that the clients take if each is served as cheaply as its budget
    allows, in the largest batch that it can wait for; a plan may take more, never less."""
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
        # Who has no time left is served frame by frame, where that is possible at all.
        alone = (variant.latency_ms[0] for variant in problem.variants)
        total += client.fps * (min(costs) if costs else min(alone, default=0.0)) / 1000.0
    return total / problem.gpus
