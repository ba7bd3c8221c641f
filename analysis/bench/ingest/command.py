"""Streams that one core receives: ours, aiortc as it ships, bare C, and one process against two.

Publishers in processes of their own send the same VP8 (416 px on the long side, 15 frames a second,
1 Mbit/s, encoded before) over real ICE, DTLS and SRTP on the loopback; more and more of them, until
p99 of the time from a frame's last packet at the receiver's socket to its decoded picture is 10 ms.
One process is pinned to core 0, its publishers to core 1. For one against two processes each shares
its core with its own publishers, so that both runs are alike but for size. Last, the complete
server (`edge serve`, a simulated device) with all the work of its sessions, by process.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from rich import box
from rich.table import Table

from analysis.bench.ingest.figures import Stage, max_streams
from analysis.bench.report import BenchmarkReport, MeasurementError, Promise, aiortc_versions

LONG_SIDE, FPS, BPS = 416, 15, 1e6
LIMIT_MS = 10.0  # p99 of a frame's last packet to its picture
TIMES_STOCK = 3.0
TWO_PROCESSES = 1.7
SERVER_STREAMS = 16


@dataclass(frozen=True, slots=True)
class IngestRun:
    """A kind of receiver, and the cores of its processes and of their publishers'; `completed`:
    judged from the packet by which aiortc knows that a frame is complete."""

    name: str
    kind: str
    receivers: tuple[str, ...]
    publishers: tuple[str, ...]
    completed: bool = False


RUNS = (
    IngestRun("aiortc", "stock", ("0",), ("1",), completed=True),
    IngestRun("ours", "ours", ("0",), ("1",)),
    IngestRun("ours, one core shared", "ours", ("0",), ("0",)),
    IngestRun("ours, two cores shared", "ours", ("0", "1"), ("0", "1")),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seconds", type=float, default=4.0, metavar="N", help="a stage; default 4"
    )
    parser.add_argument("--step", type=int, default=4, metavar="N", help="streams; default 4")
    parser.add_argument("--first", type=int, default=8, metavar="N", help="streams; default 8")
    parser.add_argument("--most", type=int, default=96, metavar="N", help="streams; default 96")
    parser.add_argument(
        "--only", type=int, choices=range(1, len(RUNS) + 1), action="append", help="a run's number"
    )


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 when every promise was kept, 1 otherwise."""
    from analysis.bench.ingest import bare_c, server_cost  # noqa: PLC0415

    report = BenchmarkReport(options.json, aiortc_versions())
    if len(os.sched_getaffinity(0)) < 2:
        raise MeasurementError("two processors are needed, 0 and 1")
    c_ms, missing = bare_c.cpu_ms(LONG_SIDE, FPS, BPS)
    runs = [RUNS[number - 1] for number in options.only or range(1, len(RUNS) + 1)]
    stages = {each: asyncio.run(_stages(each, options)) for each in runs}
    costs = [
        asyncio.run(server_cost.measure(processes, SERVER_STREAMS, 2.0 * options.seconds))
        for processes in ((0, 1) if not options.only else ())
    ]
    console = report.console
    console.print(_table(stages))
    if c_ms is None:
        console.print(f"bare C (libsrtp2 + libvpx): not measured: {missing}")
    else:
        console.print(f"bare C (libsrtp2 + libvpx): {c_ms:.3f} ms of processor a frame")
    for cost in costs:
        parts = ", ".join(f"{name} {ms:.2f}" for name, ms in cost.cpu_ms.items())
        console.print(
            f"the complete server, --ingest {cost.ingest}, {cost.streams} streams:"
            f" ms of processor a frame: {parts}"
        )
    rows = [{**asdict(each), "stages": found} for each, found in stages.items()]
    return report.finish(_promises(stages), bare_cpu_ms=c_ms, runs=rows, server=costs)


async def _stages(each: IngestRun, options: argparse.Namespace) -> list[Stage]:
    from analysis.bench.ingest.processes import measure  # noqa: PLC0415

    many = len(each.receivers)
    counts = [many * n for n in range(options.first, options.most + 1, options.step)]
    return await measure(
        each.kind,
        counts,
        seconds=options.seconds,
        receivers=each.receivers,
        publishers=each.publishers,
        is_limit=lambda stage: not stage.is_sustained(LIMIT_MS, completed=each.completed),
        progress=lambda text: print(f"{each.name}: {text}", file=sys.stderr, flush=True),
    )


def _promises(stages: dict[IngestRun, list[Stage]]) -> Iterator[Promise]:
    by_name = {each.name: max_streams(of, LIMIT_MS) for each, of in stages.items()}
    if "aiortc" in by_name and "ours" in by_name:
        stock, ours = by_name["aiortc"], by_name["ours"]
        text = f"{ours} streams a core, aiortc {stock}: at least {TIMES_STOCK:g} times as many"
        yield Promise(text, ours > 0 and ours >= TIMES_STOCK * stock)
    one, two = (by_name.get(f"ours, {n} shared") for n in ("one core", "two cores"))
    if one is not None and two is not None:
        ratio = two / one if one else 0.0
        text = f"two processes take {ratio:.2f} times one's streams: at least {TWO_PROCESSES:g}"
        yield Promise(text, ratio >= TWO_PROCESSES)


def _table(stages: dict[IngestRun, list[Stage]]) -> Table:
    title = "ms from a frame's last packet at the socket to its picture"
    table = Table(title=title, box=box.SIMPLE)
    for name in ("run", "streams", "frames", "p50", "p90", "p99"):
        table.add_column(name, justify="right" if name != "run" else "left", no_wrap=True)
    for name in ("p99, completed", "core", "CPU ms a frame", "most streams", "most, completed"):
        table.add_column(name, justify="right")
    for each, of in stages.items():
        for index, stage in enumerate(of):
            last = index == len(of) - 1
            table.add_row(
                each.name if not index else "",
                str(stage.streams),
                f"{stage.decoded}/{stage.sent}",
                *(f"{stage.decoded_ms[name]:.1f}" for name in ("p50", "p90", "p99")),
                f"{stage.completed_ms['p99']:.1f}" if each.completed else "",
                f"{100.0 * stage.core:.0f} %",
                f"{stage.cpu_ms:.3f}",
                str(max_streams(of, LIMIT_MS)) if last else "",
                str(max_streams(of, LIMIT_MS, completed=True)) if last and each.completed else "",
            )
    return table
