"""Recorded results, refused where their counts do not agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.simulator import results as simulated
from netem.results import run_folder
from netem.results.rows import IN_TIME, OUTCOMES, FrameRow, OutcomeCounts, RunRow, SessionRow
from netem.results.run_folder import FRAMES, SESSIONS, SUMMARY, ResultsError, RunFolder

_FIRST_LINE = 2  # of a CSV file's rows, counted as editors do


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A finished run whose frames, sessions and summary agree."""

    folder: RunFolder
    summary: RunRow
    sessions: Sequence[SessionRow]
    frames: Sequence[FrameRow]


def load(folder: RunFolder) -> RecordedRun:
    """Reads a run and checks its counts. Raises ResultsError with file and line, and OSError."""
    run = RecordedRun(folder, folder.summary, folder.sessions, folder.frames)
    _check_frames(folder.path / FRAMES, run.frames)
    ends = {row.client: Counter[str]() for row in run.sessions}
    infeasible = Counter[int]()
    for number, frame in enumerate(run.frames, _FIRST_LINE):
        if frame.client not in ends:
            raise ResultsError(
                f"{folder.path / FRAMES}:{number}: client {frame.client} is not in {SESSIONS}"
            )
        if frame.measured:
            ends[frame.client][frame.outcome] += 1
            infeasible[frame.client] += frame.infeasible
    for number, row in enumerate(run.sessions, _FIRST_LINE):
        place = f"{folder.path / SESSIONS}:{number}"
        check_counts(place, row)
        _same_counts(place, row, ends[row.client], infeasible[row.client])
    place = str(folder.path / SUMMARY)
    check_counts(place, run.summary)
    _same_counts(place, run.summary, sum(ends.values(), Counter()), infeasible.total())
    return run


def check_counts(place: str, counts: OutcomeCounts) -> None:
    """Raises ResultsError unless every captured frame has one outcome."""
    total = sum(getattr(counts, outcome) for outcome in OUTCOMES)
    if total != counts.captured:
        raise ResultsError(f"{place}: captured: {counts.captured}, but {total} frames have ended")
    if not 0 <= counts.infeasible <= counts.captured - counts.in_time:
        raise ResultsError(
            f"{place}: infeasible: {counts.infeasible} of "
            f"{counts.captured - counts.in_time} that were not in time"
        )


def read_simulated(path: Path) -> list[simulated.RunResult]:
    """Reads the simulator's CSV and checks its counts. Raises ResultsError with file and line, and
    OSError."""
    rows = run_folder.read(path, simulated.RunResult)
    for number, row in enumerate(rows, _FIRST_LINE):
        sums = {
            "captured, by ends": (
                row.captured,
                row.in_time + row.late + row.hopeless + row.superseded + row.overload
                + row.no_plan + row.queue,
            ),
            "captured, by classes": (row.captured, row.feasible + row.network + row.unreachable),
            "misses": (
                row.misses,
                sum(getattr(row, f"miss_{reason}") for reason in simulated.REASONS),
            ),
        }  # fmt: skip
        for name, (total, sum_of_parts) in sums.items():
            if total != sum_of_parts:
                raise ResultsError(
                    f"{path}:{number}: {name}: {total}, but its parts make {sum_of_parts}"
                )
    return rows


def _check_frames(path: Path, frames: Sequence[FrameRow]) -> None:
    lines: dict[tuple[object, ...], int] = {}
    for number, frame in enumerate(frames, _FIRST_LINE):
        place = f"{path}:{number}"
        if frame.outcome not in OUTCOMES:
            raise ResultsError(f"{place}: outcome {frame.outcome!r}: one of {', '.join(OUTCOMES)}")
        if frame.outcome == IN_TIME and frame.returned_ms is None:
            raise ResultsError(f"{place}: returned_ms: empty, though the frame is {IN_TIME}")
        if frame.rtp is None:  # it was never encoded
            column, key = "captured_ms", (frame.source, frame.captured_ms)
        else:
            column, key = "rtp", (frame.rtp, 0.0)
        before = lines.setdefault((frame.client, frame.session, column, key), number)
        if before != number:
            raise ResultsError(f"{place}: {column}: the frame is in line {before} already")


def _same_counts(place: str, counts: OutcomeCounts, ends: Counter[str], infeasible: int) -> None:
    for outcome in OUTCOMES:
        count = getattr(counts, outcome)
        if count != ends[outcome]:
            raise ResultsError(f"{place}: {outcome}: {count}, but {ends[outcome]} in {FRAMES}")
    if counts.infeasible != infeasible:
        raise ResultsError(
            f"{place}: infeasible: {counts.infeasible}, but {infeasible} in {FRAMES}"
        )
