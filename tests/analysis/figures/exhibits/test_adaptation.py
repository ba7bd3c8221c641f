"""One client over time: every measured frame is in the table once, at the right time."""

from pathlib import Path

import pytest

from analysis.figures import recorded_run
from analysis.figures.exhibits import adaptation
from netem.results.rows import HintRow
from netem.results.run_folder import HINTS, write
from tests.analysis.figures.recording import frame, run_of, unanswered


def test_over_time_every_measured_frame_is_in_one_line(tmp_path: Path) -> None:
    frames = [frame(0, 0), *(frame(0, n) for n in range(1, 15)), frame(1, 1)]
    frames += [unanswered(0, n, "hopeless", infeasible=True) for n in (15, 16)]
    frames += [unanswered(0, 17, "superseded"), unanswered(0, 18, "paced", bytes=None)]
    frames += [frame(0, 19, width=180, height=320, outcome="late", returned_ms=1_950.0)]
    frames += [frame(0, 20, variant="yolov4-tiny-128", width=192, height=108)]
    run = run_of(tmp_path, frames)
    hints = [HintRow(at_ms, 0, 1, 320, 10.0, bps, "", "") for at_ms, bps in ((-5.0, 1), (1e3, 2))]
    write(run.path / HINTS, HintRow, hints)
    table = adaptation.over_time(recorded_run.load(run), 0, "a", "A").table
    assert table.column("from, s") == [0, 1]
    assert table.column("frames") == [10, 10]
    assert table.column("in time") == [10, 5]
    assert table.column("infeasible") == [0, 2]
    assert table.column("missed") == [0, 2]
    assert table.column("paced") == [0, 1]
    assert table.column("link, Mbit/s") == [1.0, 0.5]
    assert table.column("asked, Mbit/s") == [1e-6, 2e-6]
    assert table.column("variant") == ["yolov4-tiny-320"] * 2
    assert table.column("sent side, px") == [320, 320]
    assert table.column("most, ms") == [pytest.approx(41.0), pytest.approx(150.0)]
    sent = table.column("sent, Mbit/s")
    assert sent == [pytest.approx(0.2), pytest.approx(9 * 2500 * 8 / 0.9 / 1e6)]


def test_a_client_without_frames_is_refused(tmp_path: Path) -> None:
    run = recorded_run.load(run_of(tmp_path, [frame(0, 0), frame(1, 1)]))
    with pytest.raises(ValueError, match="no measured frames of client 0"):
        adaptation.over_time(run, 0, "a", "A")
