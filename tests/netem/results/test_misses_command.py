"""`python -m netem misses`: a run's episodes in words, and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from netem.__main__ import main
from netem.results.csv_values import text_of
from netem.results.rows import FrameRow, HintRow, LinkRow, SessionRow
from netem.results.run_folder import (
    FRAMES,
    HINTS,
    LINK,
    MANIFEST,
    SESSIONS,
    columns,
    write,
    write_json,
)
from tests.netem.results.test_misses import frames, links, missed
from tests.netem.results.test_run_folder import MANIFEST as WRITTEN


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A results folder of two runs of one client."""
    for name, size in (("cuts", 30_000), ("calm", 3_000)):
        run = tmp_path / "runs" / name
        run.mkdir(parents=True)
        at = {20: missed(bytes=size), 21: missed("superseded")}
        write(run / FRAMES, FrameRow, frames(at=at))
        write(run / LINK, LinkRow, links())
        write(run / HINTS, HintRow, [HintRow(1_300.0, 0, 7, 416, 15.0, 800_000, "tiny", "link")])
        row = dict.fromkeys(columns(SessionRow), "0") | {"slo_ms": "100"}
        (run / SESSIONS).write_text(f"{','.join(row)}\n{','.join(map(text_of, row.values()))}\n")
        write_json(run / MANIFEST, WRITTEN)
    return tmp_path


def test_a_run_in_words(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["misses", str(results / "runs" / "cuts")]) == 0
    text = capsys.readouterr().out
    assert "cuts: 2 frames missed" in text
    assert "100.0%  large frame" in text
    assert "client 0 at 1320 ms, large frame: 1 lost, 1 superseded in 66 ms" in text
    assert "frame of 30000 bytes, 320x136, 7.5 times the usual" in text
    assert "hint at 1300 ms: 416 px, 15/s, 0.80 Mbit/s (link)" in text


def test_all_runs_of_a_folder_and_json(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "misses.json"
    assert main(["misses", str(results), "--worst", "0", "--json", str(file)]) == 0
    text = capsys.readouterr().out
    assert "all runs: 4 frames missed" in text
    assert "client 0" not in text
    written = json.loads(file.read_text())
    assert [written[name][0]["cause"] for name in ("cuts", "calm")] == [
        "large frame",
        "unexplained",
    ]


def test_a_folder_without_runs_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["misses", str(tmp_path)]) == 1
    assert f"{tmp_path}: no finished run" in capsys.readouterr().err
