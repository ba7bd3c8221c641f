"""Makes plans and carries them out: about twice a second, and after events.

Without events, a plan begins 0.6 s after the last one ended: a pause of 0.1 s (growing with the
number of sessions, to 0.5 s with 80), then up to 0.5 s in which an event starts it at once.

The controller takes a snapshot of every session, has the problem solved off the event loop, and
gives each session its assignment, all at once. Nothing waits for it: sessions and batcher follow
the plan in force meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from edge.base.clock import now_ms
from edge.base.event_log import get_logger
from edge.base.histogram import Histogram
from edge.profile.latency import LatencyProfile
from edge.scheduling.admission.admission_control import (
    ASK_SCHEDULER_FROM,
    ObjectiveSearch,
    minimum_load,
)
from edge.scheduling.admission.free_sessions import PROBE_PERIOD_MS, FreeSessionsSearch
from edge.scheduling.assignment import Assignment, SessionSnapshot
from edge.scheduling.draft import Draft
from edge.scheduling.plan import Plan
from edge.scheduling.planner import NEWCOMER_MARGIN, PERIOD_MS, Planner, min_period_ms
from edge.scheduling.solver_executor import SolverExecutor
from edge.scheduling.unloaded import split, waiting_assignment

log = get_logger("edge.scheduling.controller")


class PlannedSession(Protocol):
    """The controller's interface to a session."""

    id: str

    def snapshot(self, now_ms: float) -> SessionSnapshot:
        """The planner's view of the session now."""

    def assign(self, assignment: Assignment, now_ms: float) -> None:
        """Its part of the plan in force."""


class Controller:
    """Plans for `sessions()` on the live devices, whose profiles are `profiles()`."""

    def __init__(
        self,
        planner: Planner,
        sessions: Callable[[], Iterable[PlannedSession]],
        profiles: Callable[[], Sequence[LatencyProfile]],
        *,
        typical: SessionSnapshot | None = None,
        is_loaded: Callable[[str], bool] | None = None,
        why_not_loaded: Callable[[Sequence[str]], str] = ", ".join,
        solver: SolverExecutor | None = None,
    ) -> None:
        """`typical` stands for the newcomers where no session is present; `is_loaded` tells of a
        network whether the devices have it (None: they have all), `why_not_loaded` the reason
        where they have none of these."""
        self.plan: Plan | None = None
        self.assignments: dict[str, Assignment] = {}
        self.minimum_load = 0.0
        """Share of the devices' plannable time that all sessions need at least."""
        self.can_serve_another: bool | None = None
        """Whether a plan would serve one session more; None if load is too low to ask."""
        self.objectives = ObjectiveSearch()
        """With which objectives it would serve one more."""
        self.solve_ms = 0.0
        """Duration of the latest plan, with the wait for the solver's thread."""
        self.solve_times = Histogram()
        """Durations of all plans, in ms."""
        self.on_plan: Callable[[Sequence[SessionSnapshot]], None] = lambda snapshots: None
        """Called with its snapshots once a plan is in force."""
        self.free_sessions = FreeSessionsSearch()
        """How many more sessions a plan would serve; the server sets its bounds."""
        self.usual_load: float | None = None
        """Share of the devices' plannable time that one `typical` session needs at least; None
        until it has been found out."""
        self._typical = typical
        self._is_loaded = is_loaded
        self._why_not_loaded = why_not_loaded
        self._probe_due_ms = self._objective_due_ms = float("-inf")
        self._planner = planner
        self._sessions = sessions
        self._profiles = profiles
        self._solver = solver or SolverExecutor(rule=planner.rule)
        self._event = asyncio.Event()
        self._events: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    async def prepare(self) -> None:
        """Loads the solver, so that the first plan does not wait for it."""
        await self._solver.prepare()

    def start(self) -> None:
        """Starts planning in a task."""
        self._task = asyncio.create_task(self._run(), name="edge-controller")

    async def stop(self) -> None:
        """Ends planning and the solver."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._solver.close()

    def notify(self, event: str) -> None:
        """An event that calls for a new plan: join, leave, link, device."""
        self._events.add(event)
        self._event.set()

    async def decide(self) -> None:
        """Makes one plan, from snapshots to assignments."""
        began_ms = now_ms()
        sessions = {session.id: session for session in self._sessions()}
        everybody = [session.snapshot(began_ms) for session in sessions.values()]
        snapshots, waiting = split(everybody, self._is_loaded)
        draft = self._planner.draft(snapshots, self._profiles())
        plan = await self._solver.solve(draft.problem, self._planner.accuracy_floor)
        before = self.assignments
        self.plan, self.assignments = self._planner.adopt(draft, plan)
        for each in waiting:
            reason = self._why_not_loaded(each.networks)
            self.assignments[each.id] = waiting_assignment(each, reason)
        self.solve_ms = now_ms() - began_ms
        self.solve_times.add(self.solve_ms)
        for number, assignment in self.assignments.items():
            if assignment.variant != getattr(before.get(number), "variant", None):
                log.debug(
                    "assigned",
                    session=number[:6],
                    variant=assignment.variant,
                    edge=assignment.long_side,
                    reason=assignment.reason,
                )
            try:
                sessions[number].assign(assignment, now_ms())
            except Exception:  # one session's defect must not affect the others
                log.exception("assign_failed", session=number[:6])
        self.on_plan(draft.snapshots)
        await self._check_admission(snapshots, draft, plan)

    async def _check_admission(
        self, snapshots: Sequence[SessionSnapshot], draft: Draft, plan: Plan
    ) -> None:
        """Near the limit, solves a problem with one more session like the median one."""
        self.minimum_load = minimum_load(draft.measured_problem)
        if not snapshots or self.minimum_load < ASK_SCHEDULER_FROM:
            self.can_serve_another = None
            self.objectives = ObjectiveSearch()
        else:
            self.can_serve_another = await self._would_serve(1, snapshots, plan)
            self.free_sessions.answer(1, self.can_serve_another)
            self.objectives.answer(_median(snapshots).slo_ms, self.can_serve_another)
            await self._probe_objective(snapshots, plan)
        await self._probe_free_sessions(snapshots, plan)

    async def _probe_objective(self, snapshots: Sequence[SessionSnapshot], plan: Plan) -> None:
        """Solves one more such problem with another objective, at most once a second."""
        now = now_ms()
        if now < self._objective_due_ms:
            return
        self._objective_due_ms = now + PROBE_PERIOD_MS
        slo_ms = self.objectives.next_ms()
        self.objectives.answer(slo_ms, await self._would_serve(1, snapshots, plan, slo_ms))

    async def _probe_free_sessions(self, snapshots: Sequence[SessionSnapshot], plan: Plan) -> None:
        """Solves one more such problem, at most once a second, where there is something to ask."""
        now = now_ms()
        if now < self._probe_due_ms or (self._typical is None and not snapshots):
            return
        self._probe_due_ms = now + PROBE_PERIOD_MS
        if self._typical is not None and (self.usual_load is None or not snapshots):
            alone = self._planner.draft([self._typical], self._profiles())
            self.usual_load = minimum_load(alone.measured_problem)
        number = self.free_sessions.next_probe()
        if number is not None:
            fits = await self._would_serve(number, snapshots, plan)
            self.free_sessions.answer(number, fits)

    async def _would_serve(
        self,
        number: int,
        snapshots: Sequence[SessionSnapshot],
        plan: Plan,
        slo_ms: float | None = None,
    ) -> bool:
        """Whether a plan would serve so many more sessions, each like the median one (with the
        objective `slo_ms`, if given), and none of those that `plan` serves less."""
        if snapshots:
            model = _median(snapshots)
        else:
            assert self._typical is not None
            model = self._typical
        if slo_ms is not None:
            budget_ms = model.budget_ms + slo_ms - model.slo_ms
            model = replace(model, slo_ms=slo_ms, budget_ms=budget_ms)
        newcomer = replace(model, id="newcomer", is_inference_measured=True)
        wider = self._planner.draft([*snapshots, newcomer], self._profiles(), copies=number)
        extended = await self._solver.solve(wider.slower(NEWCOMER_MARGIN))
        return extended.served >= plan.served + number

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PERIOD_MS / 1000.0):
                    await self._event.wait()
            self._event.clear()
            events, self._events = self._events, set()
            try:
                await self.decide()
            except Exception:  # the plan in force stays
                log.exception("plan_failed", after=",".join(sorted(events)) or "time")
            await asyncio.sleep(min_period_ms(len(self.assignments)) / 1000.0)


def _median(snapshots: Sequence[SessionSnapshot]) -> SessionSnapshot:
    return sorted(snapshots, key=lambda each: each.budget_ms)[len(snapshots) // 2]
