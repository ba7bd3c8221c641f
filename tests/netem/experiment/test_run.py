"""A whole run, with what it leaves behind: its tables, and nothing else."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from edge.assets.browser import BrowserMissingError, chromium_path
from netem.results import run_folder
from netem.results.rows import RunRow
from netem.results.run_folder import RunFolder, finished, read
from netem.scratch_folder import users
from tests.netem.conftest import left_by
from tests.serving import simulated

ROOT = Path(__file__).parents[3]
TIMEOUT_S = 120.0
FILES = {
    run_folder.FRAMES,
    run_folder.SESSIONS,
    run_folder.PLANS,
    run_folder.HINTS,
    run_folder.LINK,
    run_folder.SUMMARY,
    run_folder.MANIFEST,
    run_folder.SERVER_LOG,
}
SPEC = """
name = "tried"
seconds = 2
settle_s = 0.2
device = ["{device}"]
[[traces]]
mbps = 4
[[grids]]
traces = ["4mbit"]
delay_ms = [5]
kinds = ["{kind}"]
policies = [{policies}]
slo_ms = [500]
"""

pytestmark = [pytest.mark.kernel]


@pytest.fixture
def temporary() -> Iterator[Path]:
    """For temporary files, by a short name, as the sockets of browsers want it; empty at the end,
    or somebody left something behind."""
    folder = Path(tempfile.mkdtemp(prefix="el", dir="/tmp"))
    yield folder
    left = list(folder.glob("*"))
    shutil.rmtree(folder)
    assert left == []


def spec(folder: Path, kind: str, *policies: str) -> Path:
    path = folder / "tried.toml"
    named = ", ".join(f'"{policy}"' for policy in policies)
    path.write_text(SPEC.format(device=simulated(), kind=kind, policies=named))
    return path


def start(file: Path, out: Path, temporary: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "netem", "run", str(file), "--out", str(out)],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(file: Path, out: Path, temporary: Path) -> int:
    process = start(file, out, temporary)
    output, _ = process.communicate(timeout=TIMEOUT_S)
    print(output)
    assert left_by(process.pid) == []
    assert list(temporary.glob("*")) == []
    return process.returncode


def until(wanted: Callable[[], object]) -> None:
    """Looks again and again: what is waited for are other programs' doings."""
    end = time.monotonic() + TIMEOUT_S
    while not wanted():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.05)


def check(folder: RunFolder, *, plans: bool) -> None:
    """Every captured frame once, in the order of capture, with times that follow each other."""
    frames, summary = folder.frames, folder.summary
    rtps = Counter(row.rtp for row in frames if row.rtp is not None)
    assert max(rtps.values()) == 1
    captured = [row.captured_ms for row in frames]
    assert captured == sorted(set(captured))
    measured = [row for row in frames if row.measured]
    assert len(measured) == summary.captured > 0
    # The clip's frames at this rate, one after the other and round again: 25 a second at 15. A
    # busy machine skips some, but not a second of them.
    steps = {b.source - a.source for a, b in pairwise(frames) if b.source > a.source}
    assert {1, 2} <= steps
    assert max(steps) <= 25
    assert any(row.outcome == "in_time" for row in measured)
    for row in frames:
        times = (
            row.captured_ms, row.sent_ms, row.received_ms, row.decoded_ms, row.dispatched_ms,
            row.inferred_ms, row.returned_ms,
        )  # fmt: skip
        if None not in times:
            assert list(times) == pytest.approx(sorted(t for t in times if t is not None), abs=2.0)
    assert folder.hints
    assert {row.client for row in folder.link} == {0}
    assert bool(folder.plans) == plans
    assert folder.manifest.origin_ms > 0.0


@pytest.mark.browser
def test_a_browser_publishes_behind_a_link_and_every_frame_is_written_down(
    tmp_path: Path, temporary: Path
) -> None:
    try:
        chromium_path()
    except BrowserMissingError as error:
        pytest.skip(str(error))
    file, out = spec(tmp_path, "chromium", "ours"), tmp_path / "out"
    assert run(file, out, temporary) == 0
    [folder] = finished(out)
    check(folder, plans=True)
    assert read(out / run_folder.RUN_ROWS, RunRow) == [folder.summary]


def test_a_run_that_was_killed_is_made_anew_and_finished_ones_are_not(
    tmp_path: Path, temporary: Path
) -> None:
    file, out = spec(tmp_path, "light", "aiortc", "ours"), tmp_path / "out"
    process = start(file, out, temporary)
    until(lambda: list(finished(out)) and left_by(process.pid))  # in the second run
    process.kill()
    process.communicate()
    [first] = finished(out)
    check(first, plans=False)
    made = (first.path / run_folder.MANIFEST).read_bytes()
    [scratch] = temporary.glob("*")

    assert run(file, out, temporary) == 0
    assert {folder.summary.policy for folder in finished(out)} == {"aiortc", "ours"}
    for folder in finished(out):
        assert {path.name for path in folder.path.iterdir()} == FILES
        check(folder, plans=folder.summary.policy == "ours")
    assert {path.name for path in (out / run_folder.RUNS).iterdir()} == {
        folder.path.name for folder in finished(out)
    }
    assert (first.path / run_folder.MANIFEST).read_bytes() == made
    assert left_by(process.pid) == []
    until(lambda: not users(scratch))  # killed, and then the kernel's to remove


def test_an_interrupted_run_leaves_nothing_behind(tmp_path: Path, temporary: Path) -> None:
    file, out = spec(tmp_path, "light", "ours"), tmp_path / "out"
    process = start(file, out, temporary)
    until(lambda: left_by(process.pid))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=TIMEOUT_S)
    assert process.returncode not in (0, None)
    assert left_by(process.pid) == []
    assert list(temporary.glob("*")) == []
    assert list(finished(out)) == []
