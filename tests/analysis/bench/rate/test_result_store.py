"""The store of the rate benchmark's results."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.bench.rate.figures import FrameTiming
from analysis.bench.rate.result_store import Processors, ResultStore, write_frames
from analysis.bench.report import MeasurementError
from tests.analysis.bench.rate.results import FIGURES, LTE, OURS, THEIRS


def test_results_in_the_file_are_there_the_next_time(tmp_path: Path) -> None:
    path = tmp_path / "rate.json"
    store = ResultStore(path)
    store.put(OURS)
    store.put(THEIRS)
    again = ResultStore(path)
    assert again.rows == [OURS, THEIRS]
    assert again.chosen([(LTE, "aiortc"), (LTE, "receiver")]) == [OURS]
    assert not again.chosen([(replace(LTE, seconds=30.0), "receiver")])  # other conditions
    better = replace(OURS, figures=replace(FIGURES, bps=2e6))
    again.put(better)
    assert ResultStore(path).rows == [better, THEIRS]


@pytest.mark.parametrize("text", ["", "[]", '{"rows": [{"kind": "steps"}]}', '{"cells": []}'])
def test_a_file_of_something_else_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(MeasurementError, match="other.json"):
        ResultStore(path)
    assert path.read_text() == text


def test_a_runs_frames_and_caps_are_written(tmp_path: Path) -> None:
    frames = [FrameTiming(10.0, 8000.0, 5.25), FrameTiming(76.7, 0.0, math.inf)]
    write_frames(tmp_path / "new", LTE, "receiver", frames, [(8.0, 1.5e6)])
    rows = (tmp_path / "new" / "lte-1.2-15-receiver.frames.tsv").read_text().splitlines()
    assert rows == ["ms\tbits\tnetwork_ms", "10.0\t8000\t5.2", "76.7\t0\tinf"]
    caps = (tmp_path / "new" / "lte-1.2-15-receiver.caps.tsv").read_text().splitlines()
    assert caps == ["ms\tcap_bps", "8.0\t1500000"]


def test_processors_busy_share_is_that_since_the_last_call(tmp_path: Path) -> None:
    stat = tmp_path / "stat"

    def pass_time(user: int, idle: int, iowait: int) -> None:
        stat.write_text(f"cpu  {user} 0 0 {idle} {iowait} 0 0 0 0 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n")

    pass_time(1000, 5000, 0)
    processors = Processors(stat)
    pass_time(1030, 5060, 10)
    assert processors.busy() == pytest.approx(0.3)
    pass_time(1130, 5060, 10)
    assert processors.busy() == pytest.approx(1.0)
    pass_time(1130, 5160, 110)
    assert processors.busy() == pytest.approx(0.0)
