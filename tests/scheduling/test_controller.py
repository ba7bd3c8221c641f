"""Plans are made on events and carried out whole, whatever one session does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from edge.profile.latency import LatencyProfile
from edge.profile.variant import LONG_SIDES
from edge.scheduling.assignment import Assignment, SessionSnapshot
from edge.scheduling.controller import Controller
from edge.scheduling.plan import Plan
from edge.scheduling.planner import Planner
from edge.scheduling.problem import Problem
from edge.scheduling.solver_executor import MAX_IN_THREAD, SolverExecutor
from tests.planning import accuracy, device
from tests.scheduling.test_planner import WIDE


class FakeSession:
    """What the controller sees of a session."""

    def __init__(self, name: str, **known: float) -> None:
        self.id = name
        self.known = replace(WIDE, id=name, **known)  # type: ignore[arg-type]
        self.assigned: list[Assignment] = []
        self.news = asyncio.Event()

    def snapshot(self, now_ms: float) -> SessionSnapshot:
        return self.known

    def assign(self, assignment: Assignment, now_ms: float) -> None:
        self.assigned.append(assignment)
        self.news.set()


class Counting(SolverExecutor):
    """Counts problems; can be told to fail."""

    def __init__(self) -> None:
        super().__init__()
        self.problems: list[Problem] = []
        self.failures = 0

    async def solve(self, problem: Problem) -> Plan:
        self.problems.append(problem)
        if self.failures:
            self.failures -= 1
            raise RuntimeError("no plan today")
        return await super().solve(problem)


def controller(
    sessions: Sequence[FakeSession],
    profiles: Sequence[LatencyProfile],
    solver: SolverExecutor | None = None,
) -> Controller:
    planner = Planner("yolov4-tiny", LONG_SIDES, accuracy())
    return Controller(planner, lambda: sessions, lambda: profiles, solver=solver)


async def test_everybody_gets_a_part_of_one_plan() -> None:
    sessions = [FakeSession(str(n)) for n in range(3)]
    control = controller(sessions, [device()])
    await control.decide()
    assert [len(each.assigned) for each in sessions] == [1, 1, 1]
    assert control.plan is not None
    assert control.plan.served == 3
    assert set(control.assignments) == {"0", "1", "2"}


async def test_one_session_s_trouble_is_not_the_others() -> None:
    class Broken(FakeSession):
        def assign(self, assignment: Assignment, now_ms: float) -> None:
            raise RuntimeError("cannot")

    sessions = [FakeSession("a"), Broken("b"), FakeSession("c")]
    await controller(sessions, [device()]).decide()
    assert sessions[0].assigned
    assert sessions[2].assigned


async def test_it_plans_when_something_happens_and_as_time_passes() -> None:
    session = FakeSession("a")
    solver = Counting()
    control = controller([session], [device()], solver)
    control.start()
    try:
        async with asyncio.timeout(20):
            await session.news.wait()  # nothing happened but time
            session.news.clear()
            for event in ("join", "link", "link"):
                control.notify(event)
            await session.news.wait()
    finally:
        await control.stop()
    assert len(solver.problems) >= 2


async def test_a_plan_that_fails_leaves_the_one_in_force() -> None:
    session = FakeSession("a")
    solver = Counting()
    solver.failures = 1
    control = controller([session], [device()], solver)
    control.start()
    try:
        async with asyncio.timeout(20):
            control.notify("join")
            await session.news.wait()
    finally:
        await control.stop()
    assert len(solver.problems) >= 2
    assert control.plan is not None


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


async def test_who_listens_is_told_of_each_plan_in_force() -> None:
    told: list[tuple[list[str], list[str]]] = []
    made = controller([FakeSession("a"), FakeSession("b")], [device()])
    made.on_plan = lambda snapshots: told.append(
        ([each.id for each in snapshots], sorted(made.assignments))
    )
    await made.decide()
    assert told == [(["a", "b"], ["a", "b"])]
    await made.stop()
