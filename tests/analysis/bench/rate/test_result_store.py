"""Rows of the rate benchmark: kept in a file, told as tables."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.bench.rate.figures import FrameTiming, RateFigures
from analysis.bench.rate.markdown import markdown, write_section
from analysis.bench.rate.result_store import Processors, Store, StoreError, write_frames
from analysis.bench.rate.results import RateCell, RateResult, from_json, to_json

FIGURES = RateFigures(
    frames=900,
    p50=8.04,
    p99=60.0,
    worst=math.inf,
    late=(0.02, 0.01, 0.0),
    late_feasible=(0.015, 0.005, 0.0),
    infeasible=(0.01, 0.005, 0.0),
    bps=1e6,
    qp=25.2,
    unsent=0.001,
)
LTE = RateCell("traces", "lte", 60.0, 1.2e6, 15)
OURS = RateResult(LTE, "receiver", FIGURES, (0.005, 1.1e6))
THEIRS = replace(
    OURS, controller="transport-cc", figures=replace(FIGURES, late_feasible=(0.2, 0.1, 0.05))
)
STEP = RateCell("steps", "8-1-8", 30.0, 4e6, 30)


def test_a_row_comes_back_from_json_as_it_was() -> None:
    text = json.dumps(to_json(OURS), allow_nan=False)
    assert from_json(json.loads(text)) == OURS


def test_what_is_in_the_file_is_there_the_next_time(tmp_path: Path) -> None:
    path = tmp_path / "rate.json"
    store = Store(path)
    store.put(OURS)
    store.put(THEIRS)
    again = Store(path)
    assert again.rows == [OURS, THEIRS]
    assert again.chosen([(LTE, "aiortc"), (LTE, "receiver")]) == [OURS]
    assert not again.chosen([(replace(LTE, seconds=30.0), "receiver")])  # other conditions
    better = replace(OURS, figures=replace(FIGURES, bps=2e6))
    again.put(better)
    assert Store(path).rows == [better, THEIRS]


@pytest.mark.parametrize("text", ["", "[]", '{"rows": [{"kind": "steps"}]}', '{"cells": []}'])
def test_a_file_of_something_else_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(StoreError, match="other.json"):
        Store(path)
    assert path.read_text() == text


def test_tables_show_every_cell_and_what_broke() -> None:
    steps = replace(FIGURES, step_worst=360.0, recovery_ms=math.nan, used=0.9, start_bps=3e6)
    text = markdown([OURS, THEIRS, RateResult(STEP, "receiver", steps, (0.0, 0.0))])
    late = "1.50 / 0.50 / 0.00 % | 0.5 % | 0.1 %"
    assert f"| lte, 1.2 | receiver | 8 / 60 | {late} | 1,000 | 25 |" in text
    assert "|  | oracle |  | 0.5 % in all |  |  | 1,100 |  |" in text
    assert "| transport-cc | 90 | 10.0 % | 1,000 |" in text  # 900 frames, 0.5 % infeasible
    assert "| 4 Mbit/s, 30 a second | receiver | 8 / 60 | 360 | never |" in text
    assert "Of 5 promises 4 were kept" in text
    assert "- 8-1-8, 30/s, cap 4: worst at the step under 350 ms" in text


def test_a_section_is_replaced_and_the_rest_stays(tmp_path: Path) -> None:
    path = tmp_path / "figures.md"
    write_section(path, "bench rate", "one\n")
    path.write_text("# Figures\n" + path.read_text() + "after\n")
    write_section(path, "bench loss", "two\n")
    write_section(path, "bench rate", "three\n")
    text = "# Figures\n<!-- bench rate -->\nthree\n<!-- end -->\nafter\n"
    assert path.read_text() == text + "<!-- bench loss -->\ntwo\n<!-- end -->\n"
    path.write_text("<!-- bench rate -->\nno end")
    with pytest.raises(ValueError, match="no line <!-- end -->"):
        write_section(path, "bench rate", "four\n")


def test_a_runs_frames_and_caps_are_written(tmp_path: Path) -> None:
    frames = [FrameTiming(10.0, 8000.0, 5.25), FrameTiming(76.7, 0.0, math.inf)]
    write_frames(tmp_path / "new", LTE, "receiver", frames, [(8.0, 1.5e6)])
    rows = (tmp_path / "new" / "lte-1.2-15-receiver.frames.tsv").read_text().splitlines()
    assert rows == ["ms\tbits\tnetwork_ms", "10.0\t8000\t5.2", "76.7\t0\tinf"]
    caps = (tmp_path / "new" / "lte-1.2-15-receiver.caps.tsv").read_text().splitlines()
    assert caps == ["ms\tcap_bps", "8.0\t1500000"]


def test_processors_are_idle_or_busy() -> None:
    processors = Processors()
    assert 0.0 <= processors.busy() <= 1.0
