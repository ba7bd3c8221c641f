"""The demo command, whole: real server, real weights, real browser, real video."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edge.assets.browser import BrowserMissingError, chromium_path

try:
    chromium_path()
    MISSING = ""
except BrowserMissingError as error:
    MISSING = str(error)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.weights,
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
]


def _demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edge", "demo", *arguments],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_the_demo_ends_well_and_its_counts_add_up(tmp_path: Path) -> None:
    summary_file, screenshot = tmp_path / "demo.json", tmp_path / "demo.png"
    done = _demo(
        "--seconds", "5", "--json", str(summary_file), "--screenshot", str(screenshot)
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert screenshot.read_bytes().startswith(b"\x89PNG")
    summary = json.loads(summary_file.read_text())
    assert summary["captured"] > 20
    assert summary["captured"] == (
        summary["in_time"] + summary["late"] + sum(summary["dropped"].values())
    )
    assert summary["in_time"] > 0
    assert summary["infeasible"] <= summary["late"] + sum(summary["dropped"].values())
    assert {"person", "car"} & set(summary["classes"])
    assert summary["latency_ms"]["p50"] <= summary["latency_ms"]["p99"]
    assert {"network", "decode", "queue", "inference", "back"} <= set(summary["legs_ms"])
    assert summary["slo_ms"] == 150
    assert "Where the time went" in done.stdout


def test_a_video_that_is_none_is_named(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no video\n" * 100)
    for video, words in ((tmp_path / "none.mp4", "no such file"), (text, "not a video")):
        done = _demo("--video", str(video))
        assert done.returncode == 1
        assert words in done.stderr
        assert str(video) in done.stderr
        assert "Traceback" not in done.stderr
