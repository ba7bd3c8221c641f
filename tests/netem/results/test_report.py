"""Runs side by side: each cell named once, ours set off, F1 in brackets where it is simulated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from netem.results.report import IN_DOCUMENTS, cell_of, markdown, table
from netem.results.rows import RunRow
from netem.results.run_folder import RUN_ROWS, read

RECORDED = Path(__file__).parents[2] / "data" / "recorded"


def test_policies_of_a_cell_stand_below_each_other() -> None:
    rows = read(RECORDED / RUN_ROWS, RunRow)
    lines = [line.strip("|").split("|") for line in markdown(rows).splitlines()[2:]]
    assert {len(line) for line in lines} == {2 + len(IN_DOCUMENTS)}
    assert [line[0].strip() for line in lines] == [cell_of(rows[0]), "", cell_of(rows[2]), ""]
    assert [line[1].strip() for line in lines] == ["**ours**", "aiortc"] * 2
    assert table(rows, "recorded").row_count == len(rows) == 4


def test_simulated_f1_is_in_brackets() -> None:
    [row, *_] = read(RECORDED / RUN_ROWS, RunRow)
    assert f"| {row.f1:.3f} |" in markdown([row])
    assert f"| ({row.f1_simulated:.3f}) |" in markdown([replace(row, f1=None)])
