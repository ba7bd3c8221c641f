"""Files to draw: found by their contents, and the runs worth a closer look."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from analysis.figures.sources import (
    RECORDED,
    SourceError,
    find,
    notebook_sources,
    representative_runs,
    rivals_of,
)
from tests.analysis.figures.recording import frame, run_of


def test_results_are_found_by_their_contents_whatever_their_names(tmp_path: Path) -> None:
    run_of(tmp_path / "a" / "b", [frame(0, 1)])
    shutil.copy(RECORDED / "grid-small.csv", tmp_path / "a" / "renamed.csv")
    shutil.copy(RECORDED / "scheduler.json", tmp_path / "renamed.json")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    (tmp_path / "other.json").write_text('{"rows": []}')
    (tmp_path / "broken.json").write_text("{")
    found = find([tmp_path])
    assert [folder.path.name for folder in found.runs] == ["one"]
    assert [path.name for path in found.simulated] == ["renamed.csv"]
    assert [path.name for path in found.benches] == ["renamed.json"]


def test_folders_are_searched_three_deep_and_hidden_ones_not(tmp_path: Path) -> None:
    for folder in ("1/2/3", "1/2/3/4", ".hidden"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        shutil.copy(RECORDED / "grid-small.csv", tmp_path / folder)
    assert [path.parent.name for path in find([tmp_path]).simulated] == ["3"]


def test_a_path_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no finished run"):
        find([tmp_path])
    with pytest.raises(SourceError, match="gone: no such file or folder"):
        find([tmp_path / "gone"])


def test_notebooks_draw_the_folder_that_results_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(RECORDED / "grid-small.csv", tmp_path)
    monkeypatch.setenv("RESULTS", str(tmp_path))
    assert notebook_sources().simulated == [tmp_path / "grid-small.csv"]
    monkeypatch.delenv("RESULTS")
    assert RECORDED / "grid-small.csv" in notebook_sources().simulated


def test_the_representative_run_is_ours_with_the_most_clients(tmp_path: Path) -> None:
    frames = [frame(0, n) for n in range(3)]
    cases: dict[str, dict[str, Any]] = {
        "a": {"policy": "fixed", "clients": 8},
        "b": {"policy": "ours", "clients": 4, "slo_ms": 150.0},
        "c": {"policy": "ours", "clients": 4, "slo_ms": 100.0},
        "d": {"policy": "ours", "clients": 1, "slo_ms": 75.0},
        "e": {"policy": "fixed", "clients": 1, "trace": "nr"},
    }
    for name, changes in cases.items():
        run_of(tmp_path, frames, name, **changes)
    summaries = [folder.summary for folder in find([tmp_path]).runs]
    assert [summaries[place].run for place in representative_runs(summaries)] == ["c", "e"]


def test_rivals_are_those_of_the_same_cell(tmp_path: Path) -> None:
    cases: dict[str, dict[str, Any]] = {
        "a": {"policy": "ours"},
        "b": {"policy": "fixed"},
        "c": {"policy": "fixed", "repetition": 2},
        "d": {"policy": "fixed", "delay_ms": 0.0},
    }
    for name, changes in cases.items():
        run_of(tmp_path, [frame(0, 1)], name, **changes)
    summaries = [folder.summary for folder in find([tmp_path]).runs]
    assert rivals_of(0, summaries) == [1]
