"""The admission of one more session, if the others stay unharmed. Pure.

A newcomer is assumed to be an average session. Where most of the devices' time is taken, the
scheduler is asked as well (`can_serve_another`): only it can tell whose frames can share a batch.
It is asked for other objectives, too: a newcomer who has to have answers sooner than the others may
find no room where one who can wait does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from edge.scheduling.problem import Problem

MAX_DEVICE_LOAD = 0.9  # of the time that plans may fill: devices drift
MAX_INGEST_LOAD = 0.85  # of the core that receives streams: the rest is for bursts
ASK_SCHEDULER_FROM = 0.5  # device load; below, one more session can be served in any case
OBJECTIVES_MS = (75.0, 100.0, 150.0, 250.0, 500.0, 1000.0)
"""Objectives that a newcomer is advised to try."""


@dataclass(frozen=True, slots=True)
class ServerLoad:
    """The server's distance from its limits.

    `devices` is the share of the devices' plannable time that the planned sessions need at least,
    `ingest` the share of a core that the least busy receiving process uses, `planned` the sessions
    that both are measured with, `newcomers` those that have joined since. `can_serve_another` is
    the scheduler's answer for one session more than the plan in force has; None if not asked.
    That is for an average session; one with an objective up to `unserved_slo_ms` it would not serve
    (0: none is known), one from `served_slo_ms` on it would (inf: none is known).
    """

    devices: float
    ingest: float
    planned: int
    newcomers: int
    can_serve_another: bool | None = None
    unserved_slo_ms: float = 0.0
    served_slo_ms: float = math.inf


@dataclass(frozen=True, slots=True)
class Overload:
    """Why one more session is too many, and the least objective with which it is not; None: none is
    known."""

    reason: str
    slo_ms: float | None = None


def overload_of(load: ServerLoad, slo_ms: float) -> Overload | None:
    """Why one more session with this objective is refused; None if it is admitted."""
    if load.can_serve_another is not None:
        is_room = load.can_serve_another and slo_ms > load.unserved_slo_ms
        load = replace(load, can_serve_another=is_room or slo_ms >= load.served_slo_ms)
    reason = refusal_reason(load)
    if reason is None:
        return None
    helps = slo_ms < load.served_slo_ms < math.inf
    if helps and refusal_reason(replace(load, can_serve_another=True)) is None:
        return Overload(reason, load.served_slo_ms)
    return Overload(reason)


def refusal_reason(load: ServerLoad) -> str | None:
    """Why one more average session is refused; None if it is admitted. The first always is."""
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


class ObjectiveSearch:
    """Which objectives a newcomer may have, by the scheduler's answers: one question at a time.

    Who can wait longer is served at least as easily, so that two bounds hold all that is known.
    Once no objective to ask for is between them, both are asked for again in turn, for conditions
    change.
    """

    def __init__(self) -> None:
        self.unserved_ms = 0.0
        """The longest known not to be served; 0: none."""
        self.served_ms = math.inf
        """The shortest known to be served; inf: none."""
        self._asks_served = False

    def next_ms(self) -> float:
        """The objective to ask for."""
        between = [each for each in OBJECTIVES_MS if self.unserved_ms < each < self.served_ms]
        if between:
            return between[len(between) // 2]
        self._asks_served = not self._asks_served
        below = [each for each in OBJECTIVES_MS if each <= self.unserved_ms][-1:]
        above = [each for each in OBJECTIVES_MS if each >= self.served_ms][:1]
        return (above or below if self._asks_served else below or above)[0]

    def answer(self, slo_ms: float, is_served: bool) -> None:
        """Whether a plan would serve one more with that objective."""
        if is_served:
            self.served_ms = min(self.served_ms, slo_ms)
            if self.unserved_ms >= slo_ms:
                self.unserved_ms = 0.0
        else:
            self.unserved_ms = max(self.unserved_ms, slo_ms)
            if self.served_ms <= slo_ms:
                self.served_ms = math.inf
