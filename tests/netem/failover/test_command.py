"""A node is lost, or only held up, under a page in a real browser."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edge.assets.browser import BrowserMissingError, chromium_path

ROOT = Path(__file__).parents[3]


def _failover(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "netem", "failover", *arguments]
    return subprocess.run(
        command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=400
    )


def _need_browser() -> None:
    try:
        chromium_path()
    except BrowserMissingError as missing:
        pytest.skip(str(missing))


@pytest.mark.kernel
@pytest.mark.browser
@pytest.mark.usefixtures("no_trace_left")
def test_boxes_come_again_from_another_node(tmp_path: Path) -> None:
    _need_browser()
    found = tmp_path / "found.json"
    done = _failover("--times", "1", "--slo-ms", "2000", "--json", str(found))
    assert done.returncode == 0, done.stderr
    assert "1 losses: no boxes for p50" in done.stdout
    findings = json.loads(found.read_text())
    [outage_ms], [legs_ms] = findings["outages_ms"], findings["legs_ms"]
    assert sum(legs_ms.values()) == pytest.approx(outage_ms)
    assert legs_ms["noticed"] > 150.0  # not before a silence
    assert legs_ms["answered"] < outage_ms
    assert findings["bystander"]["frames_around"] > 0


@pytest.mark.kernel
@pytest.mark.browser
@pytest.mark.usefixtures("no_trace_left")
def test_nobody_moves_from_a_node_that_is_held_up_for_a_moment(tmp_path: Path) -> None:
    _need_browser()
    found = tmp_path / "found.json"
    done = _failover("--times", "1", "--pause-ms", "500", "--json", str(found))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("0 moves; ")
    assert json.loads(found.read_text())["moves"] == 0


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--times", "0"), "argument --times: 0: at least 1"),
        (("--hung", "--pause-ms", "500"), "not allowed with argument"),
    ],
)
def test_bad_usage(arguments: tuple[str, ...], error: str) -> None:
    done = _failover(*arguments)
    assert done.returncode == 2
    assert error in done.stderr
