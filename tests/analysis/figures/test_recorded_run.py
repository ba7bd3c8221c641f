"""Results that do not add up are refused, by file and line."""

from dataclasses import replace
from pathlib import Path

import pytest

from analysis.figures.recorded_run import load, read_simulated
from analysis.simulator.results import COLUMNS
from netem.results.rows import FrameRow, SessionRow
from netem.results.run_folder import (
    FRAMES,
    SESSIONS,
    SUMMARY,
    ResultsError,
    RunFolder,
    write,
    write_json,
)
from tests.analysis.figures.recording import frame, run_of, unanswered


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    frames = [frame(0, 0), frame(0, 1), frame(1, 1), unanswered(0, 2, "superseded")]
    return run_of(tmp_path, [*frames, unanswered(1, 2, "hopeless", infeasible=True)])


def test_a_run_whose_tables_agree_is_read(run: RunFolder) -> None:
    recorded = load(run)
    assert (recorded.summary.captured, recorded.summary.in_time) == (4, 2)
    assert [row.captured for row in recorded.sessions] == [2, 2]


@pytest.mark.parametrize(
    ("place", "change", "message"),
    [
        (1, {"outcome": "gone"}, "frames.csv:3: outcome 'gone'"),
        (2, {"returned_ms": None}, "frames.csv:4: returned_ms"),
        (3, {"rtp": 9000}, "frames.csv:5: rtp: the frame is in line 3 already"),
        (0, {"client": 7}, "frames.csv:2: client 7"),
        (1, {"measured": False}, "sessions.csv:2: in_time: 1, but 0 in frames.csv"),
        (4, {"infeasible": False}, "sessions.csv:3: infeasible: 1, but 0 in frames.csv"),
    ],
)
def test_frames_that_do_not_fit_are_refused(
    run: RunFolder, place: int, change: dict[str, object], message: str
) -> None:
    frames = run.frames
    for name, value in change.items():
        setattr(frames[place], name, value)
    write(run.path / FRAMES, FrameRow, frames)
    with pytest.raises(ResultsError, match=message):
        load(run)


def test_a_frame_that_never_was_encoded_is_there_once(run: RunFolder) -> None:
    frames = [*run.frames, unanswered(0, 3, "encoder", rtp=None, measured=False)]
    frames.append(unanswered(0, 4, "encoder", rtp=None, measured=False))
    write(run.path / FRAMES, FrameRow, frames)
    load(run)
    write(run.path / FRAMES, FrameRow, [*frames, frames[-1]])
    with pytest.raises(ResultsError, match=r"frames.csv:9: captured_ms: the frame is in line 8"):
        load(run)


def test_a_frame_that_is_missing_is_message(run: RunFolder) -> None:
    write(run.path / FRAMES, FrameRow, run.frames[:-1])
    with pytest.raises(ResultsError, match=r"sessions.csv:3: hopeless: 1, but 0 in frames.csv"):
        load(run)


def test_summaries_must_add_up(run: RunFolder) -> None:
    first, second = run.sessions
    write(run.path / SESSIONS, SessionRow, [first, replace(second, captured=9)])
    with pytest.raises(ResultsError, match="sessions.csv:3: captured: 9, but 2"):
        load(run)
    write(run.path / SESSIONS, SessionRow, [first, second])
    write_json(run.path / SUMMARY, replace(run.summary, late=1, captured=5))
    with pytest.raises(ResultsError, match="summary.json: late: 1, but 0 in frames.csv"):
        load(run)
    write_json(run.path / SUMMARY, replace(run.summary, late=0, captured=4, infeasible=3))
    with pytest.raises(ResultsError, match="summary.json: infeasible: 3 of 2"):
        load(run)


SIMULATED = dict.fromkeys(COLUMNS, "0") | {
    "trace": "lte", "policy": "ours", "clients": "1", "captured": "10", "in_time": "7",
    "late": "3", "feasible": "9", "network": "1", "misses": "2", "miss_late": "2",
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"late": "2"}, "many.csv:2: captured, by ends: 10, but its parts make 9"),
        ({"network": "2"}, "many.csv:2: captured, by classes"),
        ({"misses": "1"}, "many.csv:2: misses: 1, but its parts make 2"),
        ({"fps": "many"}, "many.csv:2: fps"),
    ],
)
def test_the_simulators_rows_must_add_up(
    tmp_path: Path, change: dict[str, str], message: str
) -> None:
    path = tmp_path / "many.csv"
    for changes in ({}, change):
        path.write_text(",".join(COLUMNS) + "\n" + ",".join((SIMULATED | changes).values()) + "\n")
        if not changes:
            (row,) = read_simulated(path)
            assert (row.captured, row.misses) == (10, 2)
    with pytest.raises(ResultsError, match=message):
        read_simulated(path)
