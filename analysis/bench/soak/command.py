"""Minutes with sessions joining and leaving: memory that grows, resources left behind.

A real server (`edge serve`, on a simulated device unless another is named) in a process of its own;
light publishers join, stay for some seconds and leave, one in four without ending its session. The
first two minutes do not count, since caches fill and allocators find their size. Then resident
memory, threads and descriptors of the server's processes and its asyncio tasks are sampled until
the time is over. Before and after it there are no sessions.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from dataclasses import asdict
from pathlib import Path

from rich import box
from rich.table import Table

from analysis.bench.edge_server import simulated_device
from analysis.bench.report import BenchmarkReport
from analysis.bench.soak.figures import Course, promises


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--minutes", type=float, default=10.0, metavar="N", help="default 10")
    parser.add_argument("--warm-up", type=float, default=120.0, metavar="S", help="default 120")
    parser.add_argument("--clients", type=int, default=6, metavar="N", help="at a time; default 6")
    parser.add_argument("--ingest", type=int, default=1, metavar="N", help="default 1")
    parser.add_argument("--device", metavar="D", help="default: simulated, 2 to 10 ms a picture")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 when nothing grew and nothing was left behind, 1 otherwise."""
    from analysis.bench.soak.sampling import soak  # noqa: PLC0415

    report = BenchmarkReport(options.json)
    with tempfile.TemporaryDirectory(prefix="edge-bench-") as folder:
        device = options.device or simulated_device(Path(folder))
        course, ends = asyncio.run(soak(options, device))
    report.console.print(_table(course))
    sessions = ", ".join(f"{count} {end}" for end, count in sorted(ends.items()))
    report.console.print(
        f"{options.minutes:g} minutes, {options.ingest} ingest; sessions: {sessions}"
    )
    return report.finish(promises(course), ends=ends, **asdict(course))


def _table(course: Course) -> Table:
    table = Table(title="the server's processes", box=box.SIMPLE)
    for name in ("s", "sessions", "process", "resident MB", "threads", "descriptors", "tasks"):
        table.add_column(name, justify="left" if name == "process" else "right")
    shown = course.during[:: max(1, len(course.during) // 10)]
    for label, sample in [("before", course.before), *((None, each) for each in shown),
                          ("after", course.after)]:  # fmt: skip
        for index, (name, each) in enumerate(sample.processes.items()):
            table.add_row(
                (label or f"{sample.at_s:.0f}") if not index else "",
                str(sample.sessions) if not index else "",
                name,
                f"{each.rss_mb:.1f}",
                str(each.threads),
                str(each.descriptors),
                str(sample.tasks) if not index else "",
            )
    return table
