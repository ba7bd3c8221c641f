"""Collective decisions, made and carried out: twice a second, and when something happens.

It takes a snapshot of every session, has the scheduler solve the problem off the event loop, and
gives each session its part of the plan, all in one go. Nothing waits for it: sessions and batcher
go on by the plan in force.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from edge.clock import now_ms
from edge.observability.metrics_data import Histogram
from edge.profile.latency import LatencyProfile
from edge.scheduling.admission import ASK_FROM, least_load
from edge.scheduling.assignment import Assignment, Snapshot
from edge.scheduling.plan import Plan
from edge.scheduling.planner import NEWCOMER_MARGIN, PERIOD_MS, Draft, Planner, least_ms
from edge.scheduling.solver_executor import SolverExecutor

log = logging.getLogger("edge.scheduling.controller")


class PlanRecord(Protocol):
    """What the controller needs of a session."""

    id: str

    def snapshot(self, now_ms: float) -> Snapshot:
        """What is known of it now."""

    def assign(self, assignment: Assignment, now_ms: float) -> None:
        """Its part of the plan in force."""


class Controller:
    """Plans for `sessions()` on the devices that live, whose profiles `profiles()` gives."""

    def __init__(
        self,
        planner: Planner,
        sessions: Callable[[], Iterable[PlanRecord]],
        profiles: Callable[[], Sequence[LatencyProfile]],
        *,
        solver: SolverExecutor | None = None,
    ) -> None:
        self.plan: Plan | None = None
        self.assignments: dict[str, Assignment] = {}
        self.least_load = 0.0  # part of the devices' plannable time, `edge.scheduling.admission`
        self.room: bool | None = None  # whether one session more would be served; None: sure
        self.solve_ms = 0.0  # how long the last plan took, the wait for its thread included
        self.took = Histogram()  # the same of all plans
        self.on_plan: Callable[[Sequence[Snapshot]], None] = lambda snapshots: None
        """Told of each plan once it is in force, and what it was made from."""
        self._planner = planner
        self._sessions = sessions
        self._profiles = profiles
        self._solver = solver or SolverExecutor(rule=planner.rule)
        self._happened = asyncio.Event()
        self._events: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    async def prepare(self) -> None:
        """Makes sure that the first plan won't have to wait for its solver."""
        await self._solver.prepare()

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="edge-controller")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._solver.close()

    def notify(self, event: str) -> None:
        """Something that the plan should answer to: join, leave, link, device."""
        self._events.add(event)
        self._happened.set()

    async def decide(self) -> None:
        """One plan, from snapshots to assignments."""
        began_ms = now_ms()
        sessions = {session.id: session for session in self._sessions()}
        snapshots = [session.snapshot(began_ms) for session in sessions.values()]
        draft = self._planner.draft(snapshots, self._profiles())
        plan = await self._solver.solve(draft.problem)
        before = self.assignments
        self.plan, self.assignments = self._planner.adopt(draft, plan)
        self.solve_ms = now_ms() - began_ms
        self.took.add(self.solve_ms)
        for number, assignment in self.assignments.items():
            if assignment.variant != getattr(before.get(number), "variant", None):
                log.debug(
                    "event=assigned session=%s variant=%s edge=%d reason=%r",
                    number[:6],
                    assignment.variant,
                    assignment.long_side,
                    assignment.reason,
                )
            try:
                sessions[number].assign(assignment, now_ms())
            except Exception:  # one session's trouble is not the others'
                log.exception("event=assign_failed session=%s", number[:6])
        self.on_plan(draft.snapshots)
        await self._look_for_room(snapshots, draft, plan)

    async def _look_for_room(self, snapshots: Sequence[Snapshot], draft: Draft, plan: Plan) -> None:
        """Near the limit, ask the scheduler whether it would serve one like these more."""
        self.least_load = least_load(draft.bare)
        if not snapshots or self.least_load < ASK_FROM:
            self.room = None
            return
        middle = sorted(snapshots, key=lambda each: each.left_ms)[len(snapshots) // 2]
        newcomer = replace(middle, id="newcomer", tried=True)
        wider = self._planner.draft([*snapshots, newcomer], self._profiles())
        found = await self._solver.solve(wider.slower(NEWCOMER_MARGIN))
        self.room = found.served > plan.served

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PERIOD_MS / 1000.0):
                    await self._happened.wait()
            self._happened.clear()
            events, self._events = self._events, set()
            try:
                await self.decide()
            except Exception:  # the plan in force stays
                log.exception("event=plan_failed after=%s", ",".join(sorted(events)) or "time")
            await asyncio.sleep(least_ms(len(self.assignments)) / 1000.0)
