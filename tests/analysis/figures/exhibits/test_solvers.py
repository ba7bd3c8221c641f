"""The scheduler's benchmark drawn, and files that are not its results."""

import json
from pathlib import Path
from typing import Any

import pytest

from analysis.figures.exhibits.solvers import SolverResultsError, quality_and_time, read

ROW: dict[str, Any] = {
    "gpus": 2, "clients": 8, "problems": 3, "proved": 2, "sa_dp_quality": [0.99, 0.97],
    "auto_quality": [1.0, 0.999], "sa_dp_ms": [10.0, 30.0, 20.0], "auto_ms": [1.0, 2.0, 6.0],
}  # fmt: skip
UNPROVED = ROW | {"gpus": 16, "proved": 0, "sa_dp_quality": [], "auto_quality": []}


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"single": rows, "shared": [], "promises": []}))
    return path


def test_the_table_has_means_worsts_and_medians(tmp_path: Path) -> None:
    table = quality_and_time(read(write(tmp_path / "s.json", ROW, UNPROVED))).table
    assert table.column("solver") == ["auto", "sa-dp"] * 2
    assert table.column("share of the optimum, mean") == [0.9995, pytest.approx(0.98), None, None]
    assert table.column("least") == [0.999, 0.97, None, None]
    assert table.column("ms, median") == [2.0, 20.0] * 2
    assert table.column("ms, most") == [6.0, 30.0] * 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"auto_ms": [1.0]}, r"single\[0\]: auto: 1 times and 2 qualities of 3 problems"),
        ({"proved": 3}, "3 times and 2 qualities of 3 problems, 3 of them proved"),
        ({"auto_quality": None}, "s.json: not of `analysis bench scheduler`"),
    ],
)
def test_results_that_do_not_add_up_are_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(SolverResultsError, match=message):
        read(write(tmp_path / "s.json", ROW | change))
