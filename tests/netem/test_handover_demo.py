"""A phone's network changes, and the boxes come again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edge.assets.browser import BrowserMissingError, chromium_path

ROOT = Path(__file__).parents[2]


@pytest.mark.kernel
@pytest.mark.browser
@pytest.mark.usefixtures("no_trace_left")
def test_boxes_come_again_after_each_change(tmp_path: Path) -> None:
    try:
        chromium_path()
    except BrowserMissingError as missing:
        pytest.skip(str(missing))
    outages = tmp_path / "outages.json"
    command = [sys.executable, "-m", "netem", "handover", "--times", "2", "--slo-ms", "2000"]
    done = subprocess.run(
        [*command, "--json", str(outages)],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    assert "2 changes: no boxes for p50" in done.stdout
    found_ms = json.loads(outages.read_text())
    assert len(found_ms) == 2
    assert min(found_ms) > 100.0  # a new connection takes some round trips


def test_at_least_one_change_is_asked_for() -> None:
    command = [sys.executable, "-m", "netem", "handover", "--times", "0"]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "argument --times: 0: at least 1" in done.stderr
