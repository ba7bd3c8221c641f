"""The cost of handing a picture to a worker and its boxes back: shared memory against pickling.

Both ways reach a process that does the same work. The time of this work is subtracted, so that only
the handover is left. Picture by picture, one way after the other.
"""

from __future__ import annotations

import argparse
import asyncio

from rich.table import Table

from analysis.bench.report import BenchmarkReport, Promise

MIN_RATIO = 2.0  # pickled to shared, medians, at the largest picture
_COLUMNS = {
    "copy p50": "copy_p50_ms",
    "shared p50": "p50_ms",
    "shared p99": "p99_ms",
    "pickled p50": "pickled_p50_ms",
    "pickled p99": "pickled_p99_ms",
    "ratio": "ratio",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=1000, help="pictures a size (default 1000)")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 if the largest picture is handed over MIN_RATIO times faster, 1 otherwise."""
    from analysis.bench.handover.measurement import measure  # noqa: PLC0415

    report = BenchmarkReport(options.json)
    figures = asyncio.run(measure(options.rounds))
    table = Table(title="handing a picture over and its boxes back, ms")
    for heading in ("picture", *_COLUMNS):
        table.add_column(heading, justify="right")
    for size, row in figures.items():
        table.add_row(size, *(f"{row[key]:.3f}" for key in _COLUMNS.values()))
    report.console.print(table)
    size, row = list(figures.items())[-1]
    text = f"{size} is handed over at least {MIN_RATIO:g} times faster by shared memory"
    promise = Promise(text, row["ratio"] >= MIN_RATIO, f"{row['ratio']:.2f} times")
    return report.finish([promise], handover=figures)
