"""From a frame's encoding to its picture in the server: aiortc as it ships, and ours, in one run.

Real Chromium streams a street video over loopback to each receiver in turn, at 10, 15 and 30
frames a second. An encoded transform in the page notes when each frame leaves the encoder; pings
over a data channel put that on the server's clock (by the least round trip). The encoder is
capped at 1.2 Mbit/s for both.
"""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

from rich import box
from rich.table import Table

from analysis.bench.receive.figures import LEGS, TOTAL, promises
from analysis.bench.report import BenchmarkReport, aiortc_versions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seconds",
        type=float,
        default=20.0,
        metavar="N",
        help="measured of each receiver at each frame rate (default 20)",
    )


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 when both promises were kept at every frame rate, 1 otherwise."""
    from analysis.bench.receive.measurement import measure  # noqa: PLC0415

    report = BenchmarkReport(options.json, aiortc_versions())
    rows = asyncio.run(measure(options.seconds))
    report.console.print(_table(rows))
    return report.finish(promises(rows), rows=rows)


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(title="milliseconds since encoded", box=box.SIMPLE)
    for name in ("rate", "receiver", "leg", "frames"):
        table.add_column(name, no_wrap=True)
    for name in ("p50", "p90", "p99", "max", "ratio"):
        table.add_column(name, justify="right")
    for row in rows:
        for leg in LEGS:
            if leg in row:
                is_total = leg == TOTAL
                table.add_row(
                    f"{row['fps']}/s" if is_total else "",
                    row["receiver"] if is_total else "",
                    leg if is_total else f"  {leg}",
                    f"{row['frames']}/{row['encoded']}" if is_total else "",
                    *(f"{row[leg][name]:.1f}" for name in ("p50", "p90", "p99", "max")),
                    f"{row['ratio']:.1f}" if is_total and "ratio" in row else "",
                )
    return table
