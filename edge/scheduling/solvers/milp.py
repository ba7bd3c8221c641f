"""Mixed-integer programs, solved by HiGHS: the only module that needs highspy."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import highspy
import numpy as np

GAP = 1e-6  # between bound and solution; the solver's own arithmetic is hardly more accurate


class TimeLimit:
    """Counts down from its making."""

    def __init__(self, limit_s: float) -> None:
        self._ends_s = time.monotonic() + limit_s

    @property
    def left_s(self) -> float:
        """Seconds until the limit; negative once it has passed."""
        return self._ends_s - time.monotonic()


class MixedIntegerProgram:
    """Maximises a weighted sum of whole variables under upper limits; built entry by entry."""

    def __init__(self) -> None:
        self._cost: list[float] = []
        self._upper: list[float] = []
        self._limits: list[float] = []
        self._entries: list[list[tuple[int, float]]] = []  # of each variable

    def variable(self, worth: float, most: float) -> int:
        """Adds a variable from 0 to `most`; returns its number."""
        self._cost.append(-worth)
        self._upper.append(most)
        self._entries.append([])
        return len(self._cost) - 1

    def row(self, limit: float) -> int:
        """Adds a row, whose sum is at most `limit`; returns its number."""
        self._limits.append(limit)
        return len(self._limits) - 1

    def put(self, row: int, variable: int, factor: float) -> None:
        """Adds the variable, times `factor`, to the row."""
        self._entries[variable].append((row, factor))

    def solve(self, limit_s: float) -> tuple[list[float], float, bool] | None:
        """(values, bound, whether optimal), or None when no solution was found in time."""
        program = highspy.HighsLp()
        program.num_col_, program.num_row_ = len(self._cost), len(self._limits)
        program.col_cost_ = np.array(self._cost)
        program.col_lower_ = np.zeros(len(self._cost))
        program.col_upper_ = np.array(self._upper, dtype=np.float64)
        program.row_lower_ = np.full(len(self._limits), -np.inf)
        program.row_upper_ = np.array(self._limits, dtype=np.float64)
        entries = [sorted(each) for each in self._entries]
        matrix = program.a_matrix_
        matrix.format_ = highspy.MatrixFormat.kColwise
        matrix.start_ = np.cumsum([0, *map(len, entries)]).astype(np.int32)
        matrix.index_ = np.array([row for each in entries for row, _ in each], dtype=np.int32)
        matrix.value_ = np.array([f for each in entries for _, f in each], dtype=np.float64)
        program.integrality_ = [highspy.HighsVarType.kInteger] * len(self._cost)
        with _no_banner():
            solver = highspy.Highs()  # type: ignore[no-untyped-call]
        solver.setOptionValue("output_flag", False)
        solver.setOptionValue("threads", 1)
        solver.setOptionValue("mip_rel_gap", 0.0)
        solver.setOptionValue("mip_abs_gap", GAP)
        solver.setOptionValue("mip_feasibility_tolerance", 1e-9)
        solver.setOptionValue("time_limit", limit_s)
        solver.passModel(program)
        solver.run()
        solution, info = solver.getSolution(), solver.getInfo()
        if not solution.value_valid:
            return None
        is_optimal = solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
        return list(solution.col_value), -float(info.mip_dual_bound), is_optimal


@contextmanager
def _no_banner() -> Iterator[None]:
    """Silences standard output, where plans go: HiGHS prints a banner before it takes options."""
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)
