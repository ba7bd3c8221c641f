"""`python -m analysis figures`: draws what it finds, and writes it with an index."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

from edge.cli import fail

ABOUT = "Draws profiles and results; every figure with its numbers as a table beside it."
_INDEX = "index.html"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "results",
        type=Path,
        nargs="*",
        metavar="RESULTS",
        help="folders of `python -m netem run`, CSVs of `analysis simulate`, JSONs of `analysis "
        "bench scheduler`, or folders with any of these (default: the profiles' figures alone)",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("out/figures"), metavar="DIR", help="default out/figures"
    )
    parser.add_argument("--profiles", type=Path, metavar="DIR", help="default: the project's")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 done, 1 where something cannot be drawn."""
    from netem.results.run_folder import ResultsError  # noqa: PLC0415

    try:
        return _draw(options)
    except (ResultsError, ValueError) as error:
        return fail(str(error))


def _draw(options: argparse.Namespace) -> int:
    from analysis.figures.exhibit import page  # noqa: PLC0415
    from analysis.figures.gallery import exhibits  # noqa: PLC0415
    from analysis.figures.sources import PROFILES, find  # noqa: PLC0415

    profiles: Path = options.profiles or PROFILES
    found = find(options.results)
    options.out.mkdir(parents=True, exist_ok=True)
    drawn = []
    names: Counter[str] = Counter()
    for each in exhibits(found, profiles):
        names[each.name] += 1
        count = names[each.name]  # two experiments may have a run of the same name
        exhibit = replace(each, name=f"{each.name}-{count}") if count > 1 else each
        exhibit.save(options.out)
        drawn.append(exhibit)
        print(f"{options.out / exhibit.name}.svg: {exhibit.title}", file=sys.stderr)
    sources = ", ".join(str(path) for path in options.results) or "no results"
    about = [f"Made by `python -m analysis figures` from {profiles} and {sources}."]
    index = options.out / _INDEX
    index.write_text(page(drawn, "Figures", about))
    print(f"{index}: {len(drawn)} figures", file=sys.stderr)
    return 0
