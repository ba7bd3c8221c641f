"""The most publishers that this machine sustains, found one by one, and then held for minutes.

A real server (`edge serve`, on a simulated device unless another is named) in a process of its own;
light publishers join until the server refuses one or frames are missed. That many are held for some
minutes, in which misses and the server's memory are watched. The publishers share the machine
with the server: where `lag ms` is large, the publishers were too busy.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.table import Table

from analysis.bench.edge_server import simulated_device
from analysis.bench.hold.figures import Minute, promises
from analysis.bench.report import BenchmarkReport, Promise


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--minutes", type=int, default=10, metavar="N", help="default 10")
    parser.add_argument("--most", type=int, default=200, metavar="N", help="clients; default 200")
    parser.add_argument("--clients", type=int, metavar="N", help="default: as many as it holds")
    parser.add_argument("--slo-ms", type=float, default=150.0, metavar="MS", help="default 150")
    parser.add_argument("--ingest", type=int, default=1, metavar="N", help="default 1")
    parser.add_argument(
        "--pairs", type=int, default=0, metavar="N",
        help="in place of minutes: fill N times without and N times with tracks and a feed read of"
        " each session, in turn",
    )  # fmt: skip
    parser.add_argument("--device", metavar="D", help="default: simulated, 2 to 10 ms a picture")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 when the load was sustained, 1 otherwise."""
    from analysis.bench.hold.load import FPS, hold  # noqa: PLC0415

    report = BenchmarkReport(options.json)
    with tempfile.TemporaryDirectory(prefix="edge-bench-") as folder:
        device = options.device or simulated_device(Path(folder))
        if options.pairs:
            return _compare(options, device, report)
        load = asyncio.run(hold(options, device))
    report.console.print(_table(load.minutes))
    report.console.print(
        f"{load.clients} publishers, {FPS} frames a second, {options.slo_ms:g} ms; {load.limit}"
    )
    refused = load.limit.startswith("refused") if options.clients is None else None
    stayed = Promise("; ".join(load.ended) or "every publisher stayed", not load.ended)
    return report.finish(
        [*promises(load.minutes, refused), stayed],
        clients=load.clients,
        why=load.limit,
        ended=load.ended,
        minutes=load.minutes,
    )


def _compare(options: argparse.Namespace, device: str, report: BenchmarkReport) -> int:
    from analysis.bench.hold.pairs import measure, promises  # noqa: PLC0415

    held = asyncio.run(measure(options, device))
    table = Table(title="filled in turn", box=box.SIMPLE)
    for name in ("server", "publishers", "frames", "missed", "share", "feeds read", "results read"):
        table.add_column(name, justify="left" if name == "server" else "right")
    for each in held:
        table.add_row(
            each.kind,
            str(each.clients),
            f"{each.frames:,}",
            str(each.missed),
            f"{each.share:.2%}",
            str(each.read_sessions or ""),
            f"{each.read_results:,}" if each.read_results else "",
        )
    report.console.print(table)
    names = list(dict.fromkeys(name for each in held for name in each.cpu_ms))
    costs = Table(title="processor time a frame, ms", box=box.SIMPLE)
    for name in ("server", "publishers", *(f"in {name}" for name in names), "in all"):
        costs.add_column(name, justify="left" if name == "server" else "right")
    for each in held:
        by_name = (f"{each.cpu_ms[name]:.2f}" if name in each.cpu_ms else "" for name in names)
        total_ms = sum(each.cpu_ms.values())
        costs.add_row(each.kind, str(each.clients), *by_name, f"{total_ms:.2f}")
    report.console.print(costs)
    return report.finish(list(promises(held)), pairs=held)


def _table(minutes: Sequence[Minute]) -> Table:
    table = Table(title="minute by minute", box=box.SIMPLE)
    for name in (
        "minute",
        "frames",
        "missed",
        "share",
        "p50 ms",
        "p99 ms",
        "resident MB",
        "lag ms",
    ):
        table.add_column(name, justify="right")
    table.add_column("why")
    for number, each in enumerate(minutes, start=1):
        table.add_row(
            str(number),
            f"{each.frames:,}",
            str(each.missed),
            f"{each.share:.2%}",
            f"{each.p50_ms:.1f}",
            f"{each.p99_ms:.1f}",
            f"{each.rss_mb:.1f}",
            f"{each.lag_ms:.0f}",
            ", ".join(f"{reason} {count}" for reason, count in each.why.items()),
        )
    return table
