"""Plans are made on events and carried out whole, whatever one session does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from edge.profile.latency import LatencyProfile
from edge.profile.variant import LONG_SIDES
from edge.scheduling import controller as controller_module
from edge.scheduling.assignment import Assignment, SessionSnapshot
from edge.scheduling.controller import Controller
from edge.scheduling.plan import Plan
from edge.scheduling.planner import Planner
from edge.scheduling.problem import Problem
from edge.scheduling.solver_executor import MAX_IN_THREAD, SolverExecutor
from tests.planning import accuracy, device
from tests.scheduling.test_planner import WIDE


class FakeSession:
    """A session as the controller sees it."""

    def __init__(self, name: str, **values: float) -> None:
        self.id = name
        self.latest = replace(WIDE, id=name, **values)  # type: ignore[arg-type]
        self.assigned: list[Assignment] = []
        self.news = asyncio.Event()

    def snapshot(self, now_ms: float) -> SessionSnapshot:
        return self.latest

    def assign(self, assignment: Assignment, now_ms: float) -> None:
        self.assigned.append(assignment)
        self.news.set()

    async def next_assignment(self) -> None:
        await self.news.wait()
        self.news.clear()


class CountingSolver(SolverExecutor):
    """Counts problems, and fails `failures` times."""

    def __init__(self) -> None:
        super().__init__()
        self.problems: list[Problem] = []
        self.failures = 0
        self.failed = asyncio.Event()

    async def solve(self, problem: Problem, floor: float = 0.0) -> Plan:
        self.problems.append(problem)
        if self.failures:
            self.failures -= 1
            self.failed.set()
            raise RuntimeError("no plan today")
        return await super().solve(problem, floor)


def controller(
    sessions: Sequence[FakeSession],
    profiles: Sequence[LatencyProfile],
    solver: SolverExecutor | None = None,
) -> Controller:
    planner = Planner({"yolov4-tiny": LONG_SIDES}, accuracy())
    return Controller(planner, lambda: sessions, lambda: profiles, solver=solver)


async def test_every_session_gets_its_part_of_one_plan() -> None:
    sessions = [FakeSession(str(n)) for n in range(3)]
    control = controller(sessions, [device()])
    await control.decide()
    assert [len(each.assigned) for each in sessions] == [1, 1, 1]
    assert control.plan is not None
    assert control.plan.served == 3
    assert set(control.assignments) == {"0", "1", "2"}


async def test_one_session_s_defect_does_not_affect_the_others() -> None:
    class Broken(FakeSession):
        def assign(self, assignment: Assignment, now_ms: float) -> None:
            raise RuntimeError("cannot")

    sessions = [FakeSession("a"), Broken("b"), FakeSession("c")]
    await controller(sessions, [device()]).decide()
    assert sessions[0].assigned
    assert sessions[2].assigned


async def test_it_plans_as_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controller_module, "PERIOD_MS", 1.0)
    monkeypatch.setattr(controller_module, "min_period_ms", lambda sessions: 0.0)
    session = FakeSession("a")
    control = controller([session], [device()])
    control.start()
    try:
        async with asyncio.timeout(20):
            while len(session.assigned) < 3:
                await session.next_assignment()
    finally:
        await control.stop()


async def test_an_event_makes_it_plan_and_events_together_make_one_plan(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(controller_module, "PERIOD_MS", 1e9)  # never by time
    monkeypatch.setattr(controller_module, "min_period_ms", lambda sessions: 0.0)
    session, solver = FakeSession("a"), CountingSolver()
    control = controller([session], [device()], solver)
    control.start()
    try:
        async with asyncio.timeout(20):
            for expected in (1, 2):
                for event in ("join", "link", "link"):
                    control.notify(event)
                await session.next_assignment()
                assert len(solver.problems) == expected
    finally:
        await control.stop()


async def test_a_plan_that_fails_leaves_the_one_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controller_module, "PERIOD_MS", 1e9)
    monkeypatch.setattr(controller_module, "min_period_ms", lambda sessions: 0.0)
    session, solver = FakeSession("a"), CountingSolver()
    control = controller([session], [device()], solver)
    await control.decide()
    plan, assignments = control.plan, control.assignments
    session.news.clear()
    solver.failures = 1
    control.start()
    try:
        async with asyncio.timeout(20):
            control.notify("join")
            await solver.failed.wait()
            assert control.plan is plan
            assert control.assignments is assignments
            assert len(session.assigned) == 1
            control.notify("join")  # and planning goes on
            await session.next_assignment()
    finally:
        await control.stop()
    assert len(session.assigned) == 2


async def test_below_the_limit_no_problem_with_one_session_more_is_solved() -> None:
    solver = CountingSolver()
    control = controller([FakeSession("a")], [device()], solver)
    await control.decide()
    assert control.minimum_load < 0.5
    assert control.can_serve_another is None
    assert len(solver.problems) == 1


async def test_near_the_limit_the_scheduler_is_asked_for_one_session_more() -> None:
    sessions = [FakeSession(str(n), fps=30.0, budget_ms=40.0) for n in range(16)]
    solver = CountingSolver()
    control = controller(sessions, [device(ms_at_608=40.0)], solver)
    await control.decide()
    assert control.minimum_load > 0.5
    assert [len(problem.clients) for problem in solver.problems] == [16, 17, 17]
    assert control.can_serve_another is False
    newcomers = [problem.clients[-1].budget_ms for problem in solver.problems[1:]]
    assert max(newcomers[0]) != max(newcomers[1])  # with another objective


async def test_near_the_limit_the_least_objective_of_a_newcomer_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(controller_module, "PROBE_PERIOD_MS", 0.0)
    sessions = [FakeSession(str(n), slo_ms=250.0, budget_ms=200.0) for n in range(9)]
    control = controller(sessions, [device(ms_at_608=130.0, batches=(1, 2, 4, 8))])
    for _ in range(6):
        await control.decide()
    assert control.can_serve_another is True
    assert (control.objectives.unserved_ms, control.objectives.served_ms) == (100.0, 150.0)
    sessions[1:] = []  # far from the limit nobody is refused for an objective
    await control.decide()
    assert control.objectives.unserved_ms == 0.0


@pytest.mark.parametrize("clients", [MAX_IN_THREAD, MAX_IN_THREAD + 1])
async def test_small_and_large_problems_are_solved_alike(clients: int) -> None:
    sessions = [FakeSession(str(n), budget_ms=40.0 + n) for n in range(clients)]
    solver = SolverExecutor()
    try:
        control = controller(sessions, [device(), device()], solver)
        await control.decide()
        await control.decide()
    finally:
        solver.close()
    assert all(len(each.assigned) == 2 for each in sessions)
    assert all(a.variant == b.variant for a, b in (each.assigned for each in sessions))


async def test_listeners_are_called_with_each_plan_in_force() -> None:
    calls: list[tuple[list[str], list[str]]] = []
    control = controller([FakeSession("a"), FakeSession("b")], [device()])
    control.on_plan = lambda snapshots: calls.append(
        ([each.id for each in snapshots], sorted(control.assignments))
    )
    await control.decide()
    assert calls == [(["a", "b"], ["a", "b"])]
    await control.stop()
