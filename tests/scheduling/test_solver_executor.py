"""Problems are solved off the event loop; a dead solver process is replaced."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

import pytest

from edge.scheduling import solver_executor as module
from edge.scheduling.plan import Plan
from edge.scheduling.problem import Problem, ProblemClient
from edge.scheduling.solver_executor import MAX_IN_THREAD, SolverExecutor
from edge.scheduling.solvers import solve
from tests.scheduling.solvers.problems import small

LARGE = replace(
    small(),
    clients=tuple(ProblemClient(str(n), 10.0, (90.0, 80.0)) for n in range(MAX_IN_THREAD + 1)),
)


async def test_small_problems_are_solved_in_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []

    def recorded(problem: Problem, **options: object) -> Plan:
        threads.append(threading.current_thread())
        return solve(problem)

    monkeypatch.setattr(module, "solve", recorded)
    executor = SolverExecutor()
    try:
        plans = await asyncio.gather(*(executor.solve(small()) for _ in range(3)))
    finally:
        executor.close()
    assert [plan.gpus for plan in plans] == [solve(small()).gpus] * 3
    assert len(set(threads)) == 1
    assert threading.main_thread() not in threads


async def test_a_large_problem_has_the_same_plan_from_a_process_and_one_that_died_is_replaced() -> (
    None
):
    executor = SolverExecutor()
    try:
        plan = await executor.solve(LARGE)
        assert plan.gpus == solve(LARGE).gpus
        assert executor._process is not None
        (pid,) = executor._process._processes
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(BrokenProcessPool):
            await _solve_until_it_fails(executor)
        assert (await executor.solve(LARGE)).gpus == plan.gpus
    finally:
        executor.close()


async def _solve_until_it_fails(executor: SolverExecutor) -> None:
    while True:  # the process' death may be noticed only after another problem
        await executor.solve(LARGE)


async def test_a_solvers_error_reaches_the_caller() -> None:
    executor = SolverExecutor()
    try:
        with pytest.raises(AttributeError):
            await executor.solve(replace(small(), variants=(None,)))  # type: ignore[arg-type]
    finally:
        executor.close()
