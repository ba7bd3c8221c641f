"""10,000 events through each kind of sink, whose receiver is killed in mid-stream and comes back.

A real server (`edge serve`, on a simulated device) sends every result of some light publishers to a
webhook, into a file and to an MQTT broker. After a third of the events the webhook's process and
the broker are killed and the disk is filled up; after two thirds they come back. Before and after,
the same publishers run without sinks. With `--clips` the video around events is kept as well, on
a disk that is filled up and emptied at the same times. Needs mosquitto, and root for a disk of its
own.
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
from analysis.bench.report import BenchmarkReport
from analysis.bench.sinks.figures import Phase, SinkOutcome, promises


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--events", type=int, default=10_000, metavar="N", help="default 10000")
    parser.add_argument("--clients", type=int, default=8, metavar="N", help="default 8")
    parser.add_argument("--slo-ms", type=float, default=150.0, metavar="MS", help="default 150")
    parser.add_argument("--clips", action="store_true", help="with clips on a disk of their own")
    parser.add_argument("--ingest", type=int, default=1, metavar="N", help="default 1")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 when every promise was kept, 1 otherwise."""
    from analysis.bench.sinks.measurement import measure  # noqa: PLC0415

    report = BenchmarkReport(options.json)
    with tempfile.TemporaryDirectory(prefix="edge-bench-") as folder:
        found = asyncio.run(measure(options, simulated_device(Path(folder)), Path(folder)))
    report.console.print(_sinks(found.outcomes))
    report.console.print(_phases(found.phases))
    kept = [] if found.clips is None else found.clips.promises()
    return report.finish(
        [*promises(found.outcomes, found.phases, options.events), *kept],
        clients=options.clients,
        sinks=found.outcomes,
        clips=found.clips,
        phases=found.phases,
    )


def _sinks(outcomes: Sequence[SinkOutcome]) -> Table:
    table = Table(title="events", box=box.SIMPLE)
    for name in ("sink", "events", "sent", "lost", "told lost", "arrived", "twice", "failures"):
        table.add_column(name, justify="left" if name == "sink" else "right")
    for each in outcomes:
        counts = (each.events, each.sent, each.lost, each.told, each.arrived, each.twice)
        table.add_row(each.name, *(f"{count:,}" for count in (*counts, each.failures)))
    return table


def _phases(phases: Sequence[Phase]) -> Table:
    table = Table(title="the publishers' frames meanwhile", box=box.SIMPLE)
    for name in ("receivers", "s", "frames", "missed", "share", "p50 ms", "p99 ms", "server core"):
        table.add_column(name, justify="left" if name == "receivers" else "right")
    table.add_column("why")
    for each in phases:
        table.add_row(
            each.name,
            f"{each.seconds:.0f}",
            f"{each.frames:,}",
            str(each.missed),
            f"{each.share:.2%}",
            f"{each.p50_ms:.1f}",
            f"{each.p99_ms:.1f}",
            f"{each.core_share:.0%}",
            ", ".join(f"{reason} {count}" for reason, count in each.why.items()),
        )
    return table
