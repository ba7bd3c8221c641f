"""All figures of their sources: which are drawn of each."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from analysis.figures.gallery import exhibits, of_profiles, of_runs
from analysis.figures.recorded_run import load
from analysis.figures.sources import PROFILES, RECORDED, Sources
from netem.results.run_folder import ResultsError
from tests.analysis.figures.recording import frame, run_of, unanswered


def test_profiles_are_drawn_by_kind(tmp_path: Path) -> None:
    shutil.copy(PROFILES / "sim-rtx2080ti.json", tmp_path / "gpu.json")
    shutil.copy(PROFILES / "accuracy-yolov4-tiny.json", tmp_path)
    names = [exhibit.name for exhibit in of_profiles(tmp_path)]
    assert names == ["dnn-accuracy", "codec-bits", "dnn-latency-gpu"]


def test_a_run_is_drawn_beside_its_rivals(tmp_path: Path) -> None:
    frames = [frame(client, number) for number in range(5) for client in (0, 1)]
    runs = [load(run_of(tmp_path, frames, "mine"))]
    assert [exhibit.name for exhibit in of_runs(runs)] == ["adaptation-mine", "legs-mine"]
    runs.append(load(run_of(tmp_path, frames, "theirs", policy="fixed")))
    names = [exhibit.name for exhibit in of_runs(runs)]
    assert names == ["answers-mine", "adaptation-mine", "legs-mine"]


def test_a_run_without_answers_has_no_legs(tmp_path: Path) -> None:
    frames = [frame(0, 0), *(unanswered(0, number, "lost") for number in range(1, 4))]
    runs = [load(run_of(tmp_path, frames, "dark"))]
    assert [exhibit.name for exhibit in of_runs(runs)] == ["adaptation-dark"]


def test_all_results_are_read_before_the_first_figure(tmp_path: Path) -> None:
    broken = tmp_path / "broken.csv"
    header, row, *_ = (RECORDED / "grid-small.csv").read_text().splitlines()
    values = dict(zip(header.split(","), row.split(","), strict=True))
    values["captured"] = str(int(values["captured"]) + 1)
    broken.write_text(f"{header}\n{','.join(values.values())}\n")
    with pytest.raises(ResultsError, match="broken.csv:2: captured"):
        next(exhibits(Sources(simulated=[broken]), PROFILES))
