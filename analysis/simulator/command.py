"""`python -m analysis simulate`: an experiment's runs, their table and the verdicts."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from analysis.simulator.specification import PolicyName, Simulation, load
from edge.cli import EXIT_FAILED, EXIT_USAGE, fail
from netem.specification import NETWORK_ALONE, SpecError

if TYPE_CHECKING:
    from analysis.simulator.results import RunResult

_POLICIES: tuple[str, ...] = get_args(PolicyName)

ABOUT = "Runs every combination of an experiment's grid under every policy, on a simulated clock."


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE.toml", help="see analysis/experiments")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write NAME.csv there")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write all rows there")
    parser.add_argument(
        "--policies",
        metavar="A,B,...",
        type=_policies,
        help=f"only these of {', '.join(_POLICIES)}",
    )
    parser.add_argument("--seconds", type=_positive, metavar="N", help="instead of the file's")
    parser.add_argument(
        "--jobs",
        type=_count,
        default=os.cpu_count() or 1,
        metavar="N",
        help="processes (default: one a core)",
    )
    parser.add_argument(
        "--no-judge", action="store_true", help="exit 0 even where a promise is broken"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 done and promises kept, 1 failed or a promise broken, 2 a mistaken file."""
    from rich.console import Console  # noqa: PLC0415

    from analysis.simulator.judge import judge  # noqa: PLC0415
    from analysis.simulator.report import show, table  # noqa: PLC0415
    from analysis.simulator.results import write_csv  # noqa: PLC0415
    from edge.profile.accuracy import AccuracyError  # noqa: PLC0415
    from edge.profile.latency_file import ProfileError  # noqa: PLC0415

    try:
        experiment = load(options.file)
    except SpecError as error:
        return fail(str(error), EXIT_USAGE)
    changes = {"policies": options.policies, "seconds": options.seconds}
    experiment = experiment.model_copy(update={k: v for k, v in changes.items() if v is not None})
    if not experiment.family and (alone := sorted({*experiment.policies} & {*NETWORK_ALONE})):
        return fail(f"--policies: {', '.join(alone)}: {options.file} has no `family`", EXIT_USAGE)
    try:
        rows = _simulate(experiment, options.jobs)
    except (AccuracyError, ProfileError) as error:
        return fail(str(error))
    target = options.csv
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        target = target or options.out / f"{experiment.name}.csv"
    if target is not None:
        with target.open("w", newline="") as file:
            write_csv(rows, file)
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(table(rows, experiment.name))
    verdicts = judge(rows)
    show(verdicts, console)
    broken = any(verdict.broken for verdict in verdicts)
    return EXIT_FAILED if broken and not options.no_judge else 0


def _simulate(experiment: Simulation, jobs: int) -> list[RunResult]:
    """All runs in the order of the grid, with a progress bar on standard error."""
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from analysis.simulator.grid import client_seconds, run_all, tasks  # noqa: PLC0415

    todo = tasks(experiment)
    rows: dict[int, RunResult] = {}
    began_s = time.perf_counter()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} client-seconds"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    ) as progress:
        total = sum(client_seconds(experiment, task) for task in todo)
        bar = progress.add_task(experiment.name, total=total)
        for index, row in run_all(experiment, min(jobs, len(todo))):
            rows[index] = row
            progress.advance(bar, client_seconds(experiment, todo[index]))
    took_s = time.perf_counter() - began_s
    print(
        f"{total:.0f} client-seconds in {took_s:.1f} s: {total / took_s:.0f} a second"
        f" with {min(jobs, len(todo))} processes",
        file=sys.stderr,
    )
    return [rows[index] for index in sorted(rows)]


def _policies(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in _POLICIES:
            raise argparse.ArgumentTypeError(f"{name!r}: of {', '.join(_POLICIES)}")
    return names


def _positive(text: str) -> float:
    value = float(text)
    if not 0.0 < value <= 86_400.0:
        raise argparse.ArgumentTypeError("above 0, a day at most")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("1 or more")
    return value
