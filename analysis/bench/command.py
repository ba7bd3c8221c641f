"""`python -m analysis bench NAME`: finds a benchmark by its name and runs it."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
from pathlib import Path
from typing import Any

from analysis import bench
from analysis.bench.report import MeasurementError
from edge.cli import fail
from edge.cli.extras import lab_extra

ABOUT = "Each compares with a baseline in the same run; exit 1 if a promise is broken."


def names() -> list[str]:
    """The benchmarks: the packages in `analysis.bench`."""
    return [each.name for each in pkgutil.iter_modules(bench.__path__) if each.ispkg]


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", choices=names(), metavar="NAME", help=", ".join(names()))
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="...", help="NAME --help")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 when every promise was kept, 1 when one was broken or nothing was measured."""
    program = f"python -m analysis bench {options.name}"
    with lab_extra(program):
        benchmark: Any = importlib.import_module(f"{bench.__name__}.{options.name}.command")
        parser = argparse.ArgumentParser(prog=program, description=benchmark.__doc__)
        parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
        benchmark.add_arguments(parser)
        try:
            return int(benchmark.run(parser.parse_args(options.rest)))
        except (MeasurementError, OSError) as error:
            return fail(str(error) or type(error).__name__)
