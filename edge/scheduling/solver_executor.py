"""Solves scheduling problems off the event loop."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from edge.ipc.parent_watch import die_with_parent
from edge.scheduling.capacity_rules import Rule
from edge.scheduling.plan import Plan
from edge.scheduling.problem import Problem
from edge.scheduling.solvers import Algorithm, prepare, solve

SMALL = 16  # clients: such a problem takes a few ms, and a thread's turns hold the loop up less


class SolverExecutor:
    """Small problems in a thread; larger ones in a process of their own, so that the interpreter
    isn't shared with the event loop. The process starts with the first of these."""

    def __init__(self, algorithm: Algorithm = "auto", rule: Rule = "shared") -> None:
        self._algorithm, self._rule = algorithm, rule
        # One of its own: the event loop's would add another now and then, up to some.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="solver")
        self._process: ProcessPoolExecutor | None = None

    async def prepare(self) -> None:
        """Loads what `solve` needs, which may take seconds the first time on a machine."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, prepare, self._algorithm)

    async def solve(self, problem: Problem) -> Plan:
        """The plan; raises what the solver raises, BrokenProcessPool if its process died."""
        loop = asyncio.get_running_loop()
        if len(problem.clients) <= SMALL:
            return await loop.run_in_executor(
                self._thread, solve, problem, self._algorithm, self._rule
            )
        if self._process is None:
            self._process = ProcessPoolExecutor(
                1,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=die_with_parent,
                initargs=(os.getpid(),),
            )
        try:
            return await loop.run_in_executor(
                self._process, solve, problem, self._algorithm, self._rule
            )
        except BrokenProcessPool:
            self._end_process()  # the next problem starts another
            raise

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._end_process()

    def _end_process(self) -> None:
        if self._process is not None:
            self._process.shutdown(wait=False, cancel_futures=True)
            self._process = None
