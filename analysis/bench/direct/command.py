"""What a director costs a newcomer: from the POST of an offer to its 201, by the director and
straight to the node, in pairs.

One director, one engine and one node with a simulated device, all on this machine, over plain HTTP.
Both ways of a pair have the same offer, in an order drawn at random; connections are kept. The
session is ended before the next.
"""

from __future__ import annotations

import argparse
import asyncio

from rich.table import Table

from analysis.bench.report import BenchmarkReport, Promise

MAX_MORE_MS = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pairs", type=int, default=200, help="default 200")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 if the median offer takes at most MAX_MORE_MS longer, 1 otherwise."""
    from analysis.bench.direct.measurement import measure  # noqa: PLC0415

    report = BenchmarkReport(options.json)
    figures = asyncio.run(measure(options.pairs))
    table = Table(title="from the POST of an offer to its 201, ms")
    for heading in ("", "p50", "p90", "p99"):
        table.add_column(heading, justify="right")
    for way, row in figures.items():
        table.add_row(way, *(f"{row[key]:.2f}" for key in ("p50_ms", "p90_ms", "p99_ms")))
    report.console.print(table)
    more_ms = figures["proxied"]["p50_ms"] - figures["direct"]["p50_ms"]
    text = f"the median offer takes at most {MAX_MORE_MS:g} ms longer by a director"
    promise = Promise(text, more_ms <= MAX_MORE_MS, f"{more_ms:.2f} ms")
    return report.finish([promise], direct=figures)
