"""One phone beside programs that take all the processor time they can get.

The demo (a real browser, the real network on this processor) runs beside no, four and eight busy
loops: at 100 ms, frames must still be tried, and most of them be in time. Then a fresh server is
filled with light publishers until it refuses one, several times: the same machine must admit the
same number.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.table import Table

from analysis.bench.busy.figures import BusyDemo, promises
from analysis.bench.report import BenchmarkReport


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--loops", type=int, nargs="+", default=[0, 4, 8], metavar="N")
    parser.add_argument("--seconds", type=float, default=20.0, metavar="N", help="default 20")
    parser.add_argument("--slo-ms", type=float, default=100.0, metavar="MS", help="default 100")
    parser.add_argument(
        "--starts", type=int, default=5, metavar="N", help="of a server that is filled; default 5"
    )


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 when every promise was kept, 1 otherwise."""
    report = BenchmarkReport(options.json)
    with tempfile.TemporaryDirectory(prefix="edge-bench-") as folder:
        demos, admitted = asyncio.run(_measure(options, Path(folder)))
    report.console.print(_table(demos))
    return report.finish(list(promises(demos, admitted)), demos=demos, admitted=admitted)


async def _measure(options: argparse.Namespace, folder: Path) -> tuple[list[BusyDemo], list[int]]:
    from analysis.bench.busy import measurement  # noqa: PLC0415

    demos, admitted = [], []
    for loops in options.loops:
        print(f"the demo beside {loops} busy loops", file=sys.stderr, flush=True)
        demos.append(await measurement.demo(loops, options.seconds, options.slo_ms, folder))
    for start in range(options.starts):
        admitted.append(await measurement.admitted(options.slo_ms))
        text = f"start {start + 1} of {options.starts}: {admitted[-1]} admitted"
        print(text, file=sys.stderr, flush=True)
    return demos, admitted


def _table(demos: Sequence[BusyDemo]) -> Table:
    table = Table(title="the demo beside busy loops", box=box.SIMPLE)
    for name in ("loops", "frames", "tried", "in time", "p50 ms", "p99 ms"):
        table.add_column(name, justify="right")
    table.add_column("dropped")
    for each in demos:
        table.add_row(
            str(each.loops),
            str(each.captured),
            f"{each.answered / each.captured:.0%}",
            f"{each.in_time / each.captured:.0%}",
            f"{each.p50_ms:.0f}",
            f"{each.p99_ms:.0f}",
            ", ".join(f"{reason} {count}" for reason, count in each.dropped.items()),
        )
    return table
