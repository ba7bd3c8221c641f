"""Results for the terminal."""

from dataclasses import replace

import pytest
from rich.console import Console

from analysis.simulator.judge import Verdict
from analysis.simulator.report import show, table
from analysis.simulator.results import RunResult, row_of
from tests.analysis.simulator.experiment import run


@pytest.fixture
def row() -> RunResult:
    made = run("smallest", seconds=0.2)
    return row_of(made, "smallest", made.tally)


def printed(*things: object) -> list[str]:
    console = Console(width=200, record=True)
    with console.capture() as capture:
        for thing in things:
            console.print(thing)
    return capture.get().splitlines()


def test_a_cell_is_named_once_and_misses_by_reason(row: RunResult) -> None:
    rows = [
        replace(row, policy="ours", miss_late=2, miss_overload=1),
        replace(row, policy="largest"),
        replace(row, policy="ours", clients=4),
    ]
    lines = printed(table(rows, "small"))
    assert sum("stepped, 2 x 15 fps, 100 ms" in line for line in lines) == 1
    assert sum("stepped, 4 x 15 fps, 100 ms" in line for line in lines) == 1
    assert sum("late 2, overload 1" in line for line in lines) == 1


def test_verdicts_name_their_broken_cells() -> None:
    console = Console(width=200)
    with console.capture() as capture:
        show([Verdict("few misses", 1, 2, ("lte, 2 x 15 fps: 3 %",))], console)
    assert capture.get().splitlines() == ["1 of 2 cells: few misses", "  lte, 2 x 15 fps: 3 %"]
