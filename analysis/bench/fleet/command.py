"""What publishers of a fleet notice when a node is drained, the engine is away, a node dies.

A director, an engine and three nodes with simulated devices, all on this machine, and light
publishers at the director's address. One after another: a node is drained, and takes sessions
again; the engine is killed for as long as asked, a newcomer is placed meanwhile, and the engine is
started again; the node with the most sessions is killed. Frames are counted by phase; those of a
session that was moved or lost are counted to its end, those of a session's first 2 s not at all.
"""

from __future__ import annotations

import argparse
import asyncio

from rich.table import Table

from analysis.bench.report import BenchmarkReport, Promise

MAX_VIEW_S = 1.0  # from the engine's start to the director's whole view


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--publishers", type=int, default=8, help="default 8")
    parser.add_argument("--away", type=float, default=60.0, help="seconds without engine (60)")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 if every promise is kept, 1 otherwise."""
    from analysis.bench.fleet.measurement import measure  # noqa: PLC0415

    report = BenchmarkReport(options.json)
    found = asyncio.run(measure(options.publishers, options.away))
    table = Table(title="frames of sessions that nothing was done to, and of those moved")
    for heading in ("phase", "frames", "missed", "moved sessions' frames", "missed"):
        table.add_column(heading, justify="left" if heading == "phase" else "right")
    for phase in found.phases:
        numbers = (phase.frames, phase.missed, phase.moved_frames, phase.moved_missed)
        table.add_row(phase.name, *map(str, numbers))
    report.console.print(table)
    by_name = {phase.name: phase for phase in found.phases}
    usual = by_name["steady"]
    drain, away, lost = (by_name[name] for name in ("drain", "engine away", "node lost"))
    promises = [
        Promise(
            "a drained node's publishers miss no frame",
            drain.missed + drain.moved_missed <= usual.missed,
            f"{drain.moved} of them moved in {found.drain_s:.1f} s",
        ),
        Promise("no frame is missed while the engine is away", away.missed <= usual.missed),
        Promise(
            "a newcomer is placed while the engine is away",
            found.newcomer_s is not None,
            "not placed" if found.newcomer_s is None else f"{found.newcomer_s:.2f} s to its 201",
        ),
        Promise(
            f"the director's view is whole {MAX_VIEW_S:g} s after the engine is back",
            found.view_s <= MAX_VIEW_S,
            f"{found.view_s:.2f} s",
        ),
        Promise(
            "sessions on other nodes miss nothing when one dies",
            lost.missed <= usual.missed,
            f"{lost.moved} sessions were lost at once",
        ),
    ]
    return report.finish(promises, fleet=found)
