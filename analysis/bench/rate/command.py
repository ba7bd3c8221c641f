"""A frame's time on the network over steady links, steps and real traces, by who controls the rate.

Real Chromium in a network namespace streams to this process through an emulated link, to each
controller in turn under the same conditions: `receiver` (ours: hints and REMB by packet trains),
`receiver-remb` (the same for a publisher that obeys no hints), `transport-cc` (Chromium's own
estimator, fed by our feedback) and `aiortc` as it ships. Network time is from a frame leaving the
encoder to its last packet's arrival, on one machine's clock. Needs root.

Runs may go abreast, each behind a link of its own through the same time of its trace, where the
machine has room for them: three take a third of two processors. Rows that the `--json` file has
are not measured again.

The link is the laboratory's: only this command, a tool, imports `netem` and `traces`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from analysis.bench.rate import figures
from analysis.bench.rate.browser_publisher import behind, play
from analysis.bench.rate.markdown import markdown, write_section
from analysis.bench.rate.receivers import CONTROLLERS, Site
from analysis.bench.rate.result_store import Processors, Store, StoreError, write_frames
from analysis.bench.rate.results import RateCell, RateResult, promises, table
from edge.adaptation.hint_controller import START_BPS
from edge.clock import now_ms
from edge.rtc import aiortc_adapter

if TYPE_CHECKING:
    from netem.links.emulated_link import EmulatedLink, Kind
    from traces import Trace

KINDS = ("steady", "steps", "traces")
STEADY_BPS = (2e6, 8e6, 20e6)
HIGH_BPS, LOW_BPS = 8e6, 1e6
LEAD_MS = 10_000.0  # of the link's time, for the browser to start; then frames count
STEP_MS = 10_000.0
QUEUE_BYTES = 256_000  # deep, as a radio link's is
_LATE_MS = 300.0  # that a run may begin after its time
_OVERHEAD_S = 16.0  # around each run: starting and ending the browser and the link


@dataclass(frozen=True, slots=True)
class RateRun:
    """One controller in one cell, through its trace; `folder` gets the frames, if there is one."""

    cell: RateCell
    trace: Trace
    controller: str
    folder: Path | None
    link: Kind


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seconds", type=float, metavar="N", help="of each run (default: steady 12, traces 60)"
    )
    parser.add_argument("--only", choices=KINDS, action="append", help="may be given again")
    parser.add_argument(
        "--trace", type=Path, nargs="+", metavar="FILE", help="default: lte, nr, wifi"
    )
    parser.add_argument("--caps", type=_numbers, default=[1.2, 4.0], metavar="MBPS,...")
    parser.add_argument("--fps", type=_numbers, default=[15.0, 30.0], metavar="N,...")
    parser.add_argument(
        "--controllers", type=_controllers, default=list(CONTROLLERS), metavar="NAME,..."
    )
    parser.add_argument(
        "--grain", type=float, default=0.0, metavar="N", help="of the camera, of 255 (default 0)"
    )
    parser.add_argument(
        "--abreast",
        type=int,
        choices=range(1, 9),
        default=1,
        metavar="N",
        help="runs at a time (default 1)",
    )
    parser.add_argument(
        "--link", choices=("auto", "kernel", "tun"), default="auto", help="default auto"
    )
    parser.add_argument("--again", action="store_true", help="measure what --json has, too")
    parser.add_argument(
        "--frames", type=Path, metavar="DIR", help="write each run's frames and caps there"
    )
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="put the tables of all that --json has there"
    )


def _numbers(text: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: numbers with commas between") from None
    if not all(0.1 <= number <= 120.0 for number in numbers):
        raise argparse.ArgumentTypeError(f"{text!r}: each from 0.1 to 120")
    return numbers


def _controllers(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in CONTROLLERS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r}: one of {', '.join(CONTROLLERS)}")
    return names


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 when all was measured, and every promise put to the test kept; else 1."""
    from netem.links.namespace import LinkError, missing  # noqa: PLC0415  # the laboratory: a tool may
    from traces import TraceError  # noqa: PLC0415

    aiortc_adapter.check()
    if lack := missing():
        print(f"error: links can't be made here: {lack}", file=sys.stderr)
        return 1
    try:
        store = Store(options.json)
        cells = list(_cells(options))
        asyncio.run(_measure(cells, options, store))
    except (LinkError, TraceError, StoreError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    keys = [(cell, name) for cell, _ in cells for name in options.controllers]
    rows = store.chosen(keys)
    console = Console()
    if not console.is_terminal:
        console = Console(width=150)
    console.print(table(rows))
    judged = [(text, held) for row in rows for text, held in promises(row, rows)]
    for text, held in judged:
        console.print(f"{'kept' if held else 'BROKEN'}: {text}")
    if options.markdown:
        write_section(options.markdown, "bench rate", markdown(store.rows))
    return 0 if len(rows) == len(keys) and all(held for _, held in judged) else 1


# What is measured


def _cells(options: argparse.Namespace) -> Iterator[tuple[RateCell, Trace]]:
    from traces import Trace, constant, read, shipped  # noqa: PLC0415

    kinds = options.only or KINDS
    rates, grain = [round(fps) for fps in options.fps], options.grain
    if "steady" in kinds:
        for bps in STEADY_BPS:
            seconds = options.seconds or 12.0
            cap_bps = 1e6 * max(options.caps)
            name = f"steady {bps / 1e6:g}"
            yield RateCell("steady", name, seconds, cap_bps, rates[0], grain), constant(bps)
    if "steps" in kinds:
        times = [0.0, LEAD_MS + STEP_MS, LEAD_MS + 2 * STEP_MS]
        steps = Trace(times, [HIGH_BPS, LOW_BPS, HIGH_BPS], 10 * STEP_MS)  # type: ignore[arg-type]
        for cap in options.caps:
            for fps in rates:
                yield RateCell("steps", "8-1-8", 3 * STEP_MS / 1000.0, 1e6 * cap, fps, grain), steps
    if "traces" in kinds:
        files = options.trace or [shipped(name) for name in ("lte", "nr", "wifi")]
        for file in files:
            trace = file if isinstance(file, Trace) else read(file)
            name = _short(trace.name if isinstance(file, Trace) else file.stem)
            for cap in options.caps:
                seconds = options.seconds or 60.0
                yield RateCell("traces", name, seconds, 1e6 * cap, rates[0], grain), trace


def _short(name: str) -> str:
    for prefix in ("mahimahi_", "nuwins_"):
        name = name.removeprefix(prefix)
    return name.removesuffix("_throughput")


async def _measure(
    cells: Sequence[tuple[RateCell, Trace]], options: argparse.Namespace, store: Store
) -> None:
    runs: list[RateRun] = []
    for cell, trace in cells:
        there = {row.controller for row in store.chosen([(cell, n) for n in options.controllers])}
        names = [n for n in options.controllers if options.again or n not in there]
        runs += [RateRun(cell, trace, name, options.frames, options.link) for name in names]
    runs.sort(key=lambda run: run.cell.seconds)  # those abreast end together
    groups = [runs[at : at + options.abreast] for at in range(0, len(runs), options.abreast)]
    total_s = sum(group[-1].cell.seconds + _OVERHEAD_S for group in groups)
    began_s, done_s = time.monotonic(), 0.0
    processors = Processors()
    for group in groups:
        speed = (time.monotonic() - began_s) / done_s if done_s else 1.0
        left = (total_s - done_s) * speed / 60.0
        for run in group:
            print(f"{run.cell.label}, {run.controller}; {left:.0f} min left", file=sys.stderr)
        processors.busy()
        rows = await asyncio.gather(*map(_one, group))
        busy = processors.busy()
        for row in rows:
            if row is not None:
                store.put(row, busy)
        done_s += group[-1].cell.seconds + _OVERHEAD_S


async def _one(run: RateRun) -> RateResult | None:
    """None where the machine was too busy to begin in time."""
    from netem.links.emulated_link import EmulatedLink  # noqa: PLC0415

    link = EmulatedLink(run.trace, queue_bytes=QUEUE_BYTES, kind=run.link)
    async with behind(link, run.cell.cap_bps, run.cell.fps, run.cell.grain) as (site, page):
        begin_ms = link.origin_ms + LEAD_MS
        await asyncio.sleep(max(0.0, begin_ms - now_ms()) / 1000.0)
        late_ms = now_ms() - begin_ms
        if late_ms <= _LATE_MS:
            return await _publish(run, begin_ms, link, site, page)
    where = f"{run.cell.label}, {run.controller}"
    print(f"{where}: not measured, ready {late_ms:.0f} ms too late; run it again", file=sys.stderr)
    return None


async def _publish(
    run: RateRun, begin_ms: float, link: EmulatedLink, site: Site, page: Any
) -> RateResult:
    cell, trace, controller = run.cell, run.trace, run.controller
    end_ms = begin_ms + 1000.0 * cell.seconds
    first_bps = min(START_BPS, cell.cap_bps) if controller == "receiver" else cell.cap_bps
    played = await play(site, page, controller, first_bps, end_ms)
    frames = played.frames(link.origin_ms)
    if run.folder is not None:
        caps = [(at_ms - link.origin_ms, bps) for at_ms, bps in played.caps]
        write_frames(run.folder, cell, controller, frames, caps)
    found = replace(_figures(cell, trace, frames), qp=played.qp, edge=played.long_side)
    times = [frame.at_ms for frame in frames]
    best = figures.oracle(trace, times, cell.fps, cell.cap_bps, 100.0)
    return RateResult(cell, controller, found, best)


def _figures(
    cell: RateCell, trace: Trace, frames: Sequence[figures.FrameTiming]
) -> figures.RateFigures:
    found = figures.summarise(frames, trace, cell.fps, cell.seconds)
    began_ms = frames[0].at_ms
    if cell.kind == "steady":
        settled = [frame for frame in frames if frame.at_ms > began_ms + 4_000.0]
        sent = [frame.bits for frame in settled or frames if frame.sent]
        bits = figures.quantile(sent, 0.5)
        found = replace(
            figures.summarise(settled or frames, trace, cell.fps, cell.seconds - 4.0),
            crossing_ms=1000.0 * bits / trace.rate_at(0.0),
        )
    elif cell.kind == "steps":
        down_ms = LEAD_MS + STEP_MS
        up_ms = down_ms + STEP_MS
        before_bps = figures.mean_bps(frames, down_ms - 4_000.0, down_ms)
        found = replace(
            found,
            step_worst=figures.worst_ms(frames, down_ms - 500.0, up_ms),
            recovery_ms=figures.recovery_ms(frames, down_ms),
            used=figures.mean_bps(frames, up_ms + 3_000.0, up_ms + 5_000.0) / max(before_bps, 1.0),
            start_bps=figures.mean_bps(frames, began_ms + 2_000.0, began_ms + 4_000.0),
        )
    return found
