"""The command line: `python -m analysis simulate | figures | bench`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from analysis import bench
from analysis.figures import command
from analysis.simulator.grid import run_all, tasks, work
from analysis.simulator.judge import judge
from analysis.simulator.report import show, table
from analysis.simulator.results import RunResult, write_csv
from analysis.simulator.specification import POLICIES, Simulation, load
from edge.assets.browser import BrowserMissingError
from edge.assets.store import AssetError
from edge.profile.accuracy import AccuracyError
from edge.profile.latency_file import ProfileError
from netem.experiment.results import ResultsError
from netem.specification import SpecError
from traces import TraceError

EXIT_FAILED, EXIT_USAGE = 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done and promises kept, 1 failed or broken, 2 bad usage."""
    parser = argparse.ArgumentParser(
        prog="python -m analysis",
        description="Simulations with the server's own code, and figures of what was measured.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    simulate = commands.add_parser("simulate", help="run an experiment and compare the policies")
    simulate.add_argument("file", type=Path, metavar="FILE.toml", help="see analysis/experiments")
    simulate.add_argument("--out", type=Path, metavar="DIR", help="write NAME.csv there")
    simulate.add_argument("--csv", type=Path, metavar="FILE", help="write all rows there")
    simulate.add_argument(
        "--policies", metavar="A,B,...", type=_policies, help=f"only these of {', '.join(POLICIES)}"
    )
    simulate.add_argument("--seconds", type=_positive, metavar="N", help="instead of the file's")
    simulate.add_argument(
        "--jobs", type=_count, default=os.cpu_count() or 1, metavar="N",
        help="processes (default: one a core)",
    )  # fmt: skip
    simulate.add_argument(
        "--no-judge", action="store_true", help="exit 0 even where a promise is broken"
    )
    figures = commands.add_parser("figures", help="draw profiles and results, with their tables")
    command.add_arguments(figures)
    benchmarks = commands.add_parser(
        "bench",
        help="benchmarks",
        description="Each compares with a baseline in the same run; exit 1 if a promise breaks.",
    )
    bench.add_arguments(benchmarks)
    options = parser.parse_args(arguments)
    if options.command == "bench":
        try:
            return bench.run(options)
        except (AssetError, BrowserMissingError) as error:
            print(f"error: {error}", file=sys.stderr)
            return EXIT_FAILED
    if options.command == "figures":
        try:
            return command.run(options)
        except (OSError, ValueError, ResultsError) as error:
            print(f"error: {error}", file=sys.stderr)
            return EXIT_FAILED
    try:
        experiment = load(options.file)
    except SpecError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USAGE
    changes = {"policies": options.policies, "seconds": options.seconds}
    experiment = experiment.model_copy(update={k: v for k, v in changes.items() if v is not None})
    try:
        rows = _simulate(experiment, options.jobs)
        target = options.csv
        if options.out is not None:
            options.out.mkdir(parents=True, exist_ok=True)
            target = target or options.out / f"{experiment.name}.csv"
        if target is not None:
            with target.open("w", newline="") as file:
                write_csv(rows, file)
    except (AccuracyError, ProfileError, TraceError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_FAILED
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(table(rows, experiment.name))
    verdicts = judge(rows)
    show(verdicts, console)
    broken = any(verdict.broken for verdict in verdicts)
    return EXIT_FAILED if broken and not options.no_judge else 0


def _simulate(experiment: Simulation, jobs: int) -> list[RunResult]:
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
        total = sum(work(experiment, task) for task in todo)
        bar = progress.add_task(experiment.name, total=total)
        for place, row in run_all(experiment, min(jobs, len(todo))):
            rows[place] = row
            progress.advance(bar, work(experiment, todo[place]))
    took_s = time.perf_counter() - began_s
    print(
        f"{total:.0f} client-seconds in {took_s:.1f} s: {total / took_s:.0f} a second"
        f" with {min(jobs, len(todo))} processes",
        file=sys.stderr,
    )
    return [rows[place] for place in sorted(rows)]


def _policies(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in POLICIES:
            raise argparse.ArgumentTypeError(f"{name!r}: of {', '.join(POLICIES)}")
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


if __name__ == "__main__":
    sys.exit(main())
