"""Solves scheduling problems off the event loop."""

from __future__ import annotations

import asyncio
import functools
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from edge.ipc.parent_watch import die_with_parent
from edge.scheduling.capacity_rules import Rule
from edge.scheduling.fairness import solve_fairly
from edge.scheduling.plan import Plan
from edge.scheduling.problem import Problem
from edge.scheduling.solvers import Algorithm, prepare, solve

MAX_IN_THREAD = 16  # clients: such problems take a few ms, and a thread blocks the loop little


class SolverExecutor:
    """Solves small problems in a thread, and larger ones in a process.

    The process shares no interpreter lock with the event loop; the first large problem starts it.
    """

    def __init__(self, algorithm: Algorithm = "auto", rule: Rule = "shared") -> None:
        self._algorithm, self._rule = algorithm, rule
        # Not the event loop's pool, which adds threads on demand: problems are solved one by one.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="solver")
        self._process: ProcessPoolExecutor | None = None

    async def prepare(self) -> None:
        """Loads the solver, which may take seconds the first time on a machine."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, prepare, self._algorithm)

    async def solve(self, problem: Problem, floor: float = 0.0) -> Plan:
        """The plan; `floor` as in `solve_fairly`.

        Raises the solver's errors, and BrokenProcessPool if its process died.
        """
        loop = asyncio.get_running_loop()
        work = functools.partial(solve, algorithm=self._algorithm, rule=self._rule)
        if len(problem.clients) <= MAX_IN_THREAD:
            return await loop.run_in_executor(self._thread, solve_fairly, problem, floor, work)
        if self._process is None:
            self._process = ProcessPoolExecutor(
                1,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=die_with_parent,
                initargs=(os.getpid(),),
            )
        try:
            return await loop.run_in_executor(self._process, solve_fairly, problem, floor, work)
        except BrokenProcessPool:
            self._end_process()  # the next problem starts another
            raise

    def close(self) -> None:
        """Ends thread and process; a problem that waits is cancelled."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._end_process()

    def _end_process(self) -> None:
        if self._process is not None:
            self._process.shutdown(wait=False, cancel_futures=True)
            self._process = None
