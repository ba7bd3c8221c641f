"""Benchmarks: each a comparison with baselines in one run, `python -m analysis bench NAME`."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
from pathlib import Path
from typing import Any

HELPERS = ("edge_server",)  # modules of this package that are no benchmark


def names() -> list[str]:
    """The benchmarks: one module each, or a package with a module `command`."""
    return [each.name for each in pkgutil.iter_modules(__path__) if each.name not in HELPERS]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", choices=names(), metavar="NAME", help=", ".join(names()))
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="...", help="NAME --help")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 every promise was kept, 1 one was broken."""
    name = f"{__name__}.{options.name}"
    benchmark: Any = importlib.import_module(name)  # only the one that runs
    if hasattr(benchmark, "__path__"):
        benchmark = importlib.import_module(f"{name}.command")
    parser = argparse.ArgumentParser(
        prog=f"python -m analysis bench {options.name}", description=benchmark.__doc__
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    benchmark.add_arguments(parser)
    return int(benchmark.run(parser.parse_args(options.rest)))
