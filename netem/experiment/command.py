"""`python -m netem run`: all runs of an experiment that aren't finished yet."""

from __future__ import annotations

import argparse
import datetime
import os
import shlex
import shutil
import sys
import time
from pathlib import Path

from playwright.async_api import Error as PlaywrightError
from rich.console import Console

from edge.assets.browser import BrowserMissingError, chromium_path
from edge.assets.store import AssetError
from edge.profile.accuracy import AccuracyError
from edge.profile.host import describe_machine
from edge.profile.latency_file import ProfileError
from netem.experiment import machine_load
from netem.experiment.clients import ClientError
from netem.experiment.processors import ProcessorsError, divide
from netem.experiment.run import ExperimentRun
from netem.experiment.server_process import ServerError
from netem.experiment.specification import Experiment, ExperimentCell, load
from netem.footage.camera_file import FootageError
from netem.footage.encoded_clip import EncodeError
from netem.links.namespace import LinkError, missing
from netem.results import run_folder
from netem.results.client_record import ClientRecordError
from netem.results.report import markdown, table
from netem.results.rows import Manifest, RunRow
from netem.results.run_folder import ResultsError, finished
from netem.scratch_folder import scratch
from netem.specification import SpecError
from profiles.progress import ProgressReport
from traces import TraceError

ABOUT = """Runs an experiment's matrix of real clients behind emulated links against a real server,
and leaves one folder a run in DIR (docs/measure/experiments.md). May be stopped at any moment;
when called again it skips finished runs and repeats unfinished ones. Needs root."""

ERRORS = (
    AccuracyError, AssetError, BrowserMissingError, ClientError, ClientRecordError, EncodeError,
    FootageError, LinkError, PlaywrightError, ProfileError, ResultsError, ServerError, TraceError,
    OSError,
)  # fmt: skip
_OVERHEAD_S = 12.0  # of a run, beside its measured seconds, for the first estimate of time left


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("file", type=Path, metavar="FILE.toml", help="see netem/experiments")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the results folder")
    parser.add_argument(
        "--runs", type=_count, metavar="N", help="make at most N runs (default: all)"
    )
    parser.add_argument(
        "--minutes", type=_minutes, metavar="M", help="start no run that would end later"
    )
    parser.add_argument(
        "--seconds", type=_seconds, metavar="S", help="measured in each run, in place of the file's"
    )
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="write the table of all finished runs there"
    )
    parser.add_argument(
        "--list", action="store_true", help="list the runs and their states, and stop"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 if the requested runs are finished, 1 if one failed, 2 on bad usage."""
    try:
        experiment = load(options.file)
        if options.seconds is not None:
            experiment = experiment.model_copy(update={"seconds": options.seconds})
    except SpecError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    cells = list(experiment.cells)
    if options.list:
        for cell in cells:
            print(f"{_state(options.out, experiment, cell):8} {cell.name}")
        return 0
    lack = missing()
    if lack:
        print(f"error: runs cannot be made here: {lack}", file=sys.stderr)
        return 1
    try:
        divide(experiment.server_cpus, os.sched_getaffinity(0))
    except ProcessorsError as error:
        print(f"error: {options.file}: {error}", file=sys.stderr)
        return 1
    if any(cell.kind == "chromium" for cell in cells):
        try:
            chromium_path()
        except BrowserMissingError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    options.out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(options.file, options.out / run_folder.SPEC)
    todo = [cell for cell in cells if _state(options.out, experiment, cell) != "finished"]
    todo = todo[: options.runs]
    failed = _make_all(experiment, todo, options.out, options.minutes)
    rows = write_runs(options.out, [cell.name for cell in cells])
    Console(width=None if sys.stdout.isatty() else 200).print(table(rows, experiment.name))
    if options.markdown is not None:
        options.markdown.write_text(markdown(rows))
    for problem in failed:
        print(f"error: {problem}", file=sys.stderr)
    left = sum(_state(options.out, experiment, cell) != "finished" for cell in cells)
    if left and not failed:
        print(
            f"{left} of {len(cells)} runs are left: run the command again to continue",
            file=sys.stderr,
        )
    return 1 if failed else 0


def write_runs(out: Path, order: list[str]) -> list[RunRow]:
    """Rewrite `runs.csv` from the experiment's finished runs, in its order."""
    places = {name: place for place, name in enumerate(order)}
    rows = [folder.summary for folder in finished(out) if folder.path.name in places]
    rows.sort(key=lambda row: places[row.run])
    run_folder.write(out / run_folder.RUN_ROWS, RunRow, rows)
    return rows


def _make_all(
    experiment: Experiment, cells: list[ExperimentCell], out: Path, minutes: float | None
) -> list[str]:
    """The failures, a line each."""
    failed = []
    a_run_s = longest_s = experiment.seconds + experiment.settle_s + _OVERHEAD_S
    progress = ProgressReport(a_run_s * len(cells))
    first_s = time.monotonic()
    for number, cell in enumerate(cells, 1):
        began_s = time.monotonic()
        if minutes is not None and began_s - first_s + longest_s > 60.0 * minutes:
            break
        progress_line(f"run {number} of {len(cells)}: {cell.name}")
        try:
            row = _make(experiment, cell, out)
        except ERRORS as error:
            words = str(error).split("\nCall log", 1)[0]  # Playwright appends a long one
            failed.append(f"{cell.name}: {words}")
            progress_line(f"failed: {words}")
        else:
            progress_line(
                f"{row.in_time_share:.1%} of {row.captured} frames in time,"
                f" {row.miss_rate:.1%} missed, {time.monotonic() - began_s:.0f} s"
            )
        longest_s = max(longest_s, time.monotonic() - began_s)
        progress.step(a_run_s, f"{number} of {len(cells)} runs done")
        write_runs(out, [each.name for each in experiment.cells])
    progress.end()
    return failed


def _make(experiment: Experiment, cell: ExperimentCell, out: Path) -> RunRow:
    """Make one run, in a folder that gets its final name when it is complete."""
    final = out / run_folder.RUNS / cell.name
    part = out / run_folder.RUNS / f".{cell.name}.part"
    for stale in (final, part):
        shutil.rmtree(stale, ignore_errors=True)
    part.mkdir(parents=True)
    began, began_s = datetime.datetime.now(datetime.UTC), time.monotonic()
    with scratch() as folder:
        made = ExperimentRun(experiment, cell, part, folder, progress_line)
        row = made.make()
    manifest = Manifest(
        run=cell.name,
        key=experiment.key(cell),
        command="python -m netem " + shlex.join(sys.argv[1:]),
        commit=machine_load.commit(),
        machine=describe_machine(),
        versions=machine_load.versions(),
        seeds={"trace": cell.trace.seed},
        origin_ms=made.origin_ms,
        began=began.isoformat(timespec="seconds"),
        took_s=round(time.monotonic() - began_s, 1),
        asked={
            "cell": cell.asked,
            "shared": experiment.model_dump(
                mode="json", exclude={"grids", "traces", "videos", "name"}
            ),
        },
        notes=made.notes,
    )
    run_folder.write_json(part / run_folder.MANIFEST, manifest)
    part.rename(final)
    return row


def _state(out: Path, experiment: Experiment, cell: ExperimentCell) -> str:
    """`finished`, `changed` (what was asked for is another now) or `to do`."""
    path = out / run_folder.RUNS / cell.name / run_folder.MANIFEST
    try:
        manifest = run_folder.read_json(path, Manifest)
    except (OSError, ResultsError):
        return "to do"
    return "finished" if manifest.key == experiment.key(cell) else "changed"


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text}: 1 or more")
    return value


def _minutes(text: str) -> float:
    value = float(text)
    if not value > 0.0:
        raise argparse.ArgumentTypeError(f"{text}: above 0")
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not 2.0 <= value <= 3_600.0:
        raise argparse.ArgumentTypeError(f"{text}: 2 to 3600")
    return value


def progress_line(text: str) -> None:
    """A line on standard error."""
    print(text, file=sys.stderr, flush=True)
