"""A frame's time on the network over steady links, steps and real traces, by who controls the rate.

Real Chromium in a network namespace streams to this process through an emulated link, to each
controller in turn under the same conditions: `trains` (ours: hints and REMB by packet trains),
`trains-remb` (the same for a publisher that obeys no hints), `transport-cc` (Chromium's own
estimator, fed by our feedback) and `aiortc` as it ships. Network time is from a frame leaving the
encoder to its last packet's arrival, on one machine's clock. Needs root.

The link is the laboratory's: only this command, a tool, imports `netem` and `traces`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from edge.bench import _rate_figures as figures
from edge.bench._rate_lab import behind
from edge.bench._rate_receivers import CONTROLLERS, START_BPS, Site
from edge.bench._rate_report import Cell, Row, promises, table, to_json
from edge.rtc import internals
from edge.timebase import now_ms

if TYPE_CHECKING:
    from netem.link import Link

KINDS = ("steady", "steps", "traces")
STEADY_BPS = (2e6, 8e6, 20e6)
HIGH_BPS, LOW_BPS = 8e6, 1e6
LEAD_MS = 6_000.0  # of the link's time, for the browser to start; then frames count
STEP_MS = 10_000.0
QUEUE_BYTES = 256_000  # deep, as a radio link's is
_GUARD_MS = 3_000.0  # before the end, in which frames may still be on their way
_OVERHEAD_S = 9.0  # around each run: starting and ending the browser and the link


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seconds", type=float, metavar="N", help="of each run (default: steady 12, traces 60)"
    )
    parser.add_argument("--only", choices=KINDS, action="append", help="may be given again")
    parser.add_argument("--trace", type=Path, nargs="+", metavar="FILE", help="default: lte, nr")
    parser.add_argument("--caps", type=_numbers, default=[1.2, 4.0], metavar="MBPS,...")
    parser.add_argument("--fps", type=_numbers, default=[15.0, 30.0], metavar="N,...")
    parser.add_argument(
        "--controllers", type=_controllers, default=list(CONTROLLERS), metavar="NAME,..."
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
    """Exit status: 0 when all promises that were put to the test are kept, 1 otherwise."""
    from netem.namespace import LinkError, missing  # noqa: PLC0415  # the laboratory: a tool may
    from traces import TraceError  # noqa: PLC0415

    internals.check()
    if lack := missing():
        print(f"error: links can't be made here: {lack}", file=sys.stderr)
        return 1
    load = os.getloadavg()[0]
    try:
        rows = asyncio.run(_measure(list(_cells(options)), options.controllers))
    except (LinkError, TraceError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    console = Console()
    if not console.is_terminal:
        console = Console(width=140)
    console.print(table(rows))
    console.print(f"load average before it began: {load:.1f}, {os.cpu_count()} processors")
    judged = [(text, held) for row in rows for text, held in promises(row, rows)]
    for text, held in judged:
        console.print(f"{'kept' if held else 'BROKEN'}: {text}")
    holds = all(held for _, held in judged)
    if options.json:
        cells = [to_json(row) for row in rows]
        report = {"versions": internals.VERSIONS, "kept": holds, "load_before": load, "rows": cells}
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if holds else 1


# What is measured


def _cells(options: argparse.Namespace) -> Iterator[Cell]:
    from traces import Trace, constant, read, shipped  # noqa: PLC0415

    kinds = options.only or KINDS
    rates = [round(fps) for fps in options.fps]
    if "steady" in kinds:
        for bps in STEADY_BPS:
            seconds = options.seconds or 12.0
            cap_bps = 1e6 * max(options.caps)
            name = f"steady {bps / 1e6:g}"
            yield Cell("steady", name, constant(bps), seconds, cap_bps, rates[0])
    if "steps" in kinds:
        times = [0.0, LEAD_MS + STEP_MS, LEAD_MS + 2 * STEP_MS]
        steps = Trace(times, [HIGH_BPS, LOW_BPS, HIGH_BPS], 10 * STEP_MS)  # type: ignore[arg-type]
        for cap in options.caps:
            for fps in rates:
                yield Cell("steps", "8-1-8", steps, 3 * STEP_MS / 1000.0, 1e6 * cap, fps)
    if "traces" in kinds:
        files = options.trace or [shipped(name) for name in ("lte", "nr")]
        for file in files:
            trace = file if isinstance(file, Trace) else read(file)
            name = Path(trace.name or "trace").stem.removeprefix("mahimahi_")
            for cap in options.caps:
                seconds = options.seconds or 60.0
                yield Cell("traces", name, trace, seconds, 1e6 * cap, rates[0])


async def _measure(cells: Sequence[Cell], controllers: Sequence[str]) -> list[Row]:
    total_s = sum(len(controllers) * (cell.seconds + _OVERHEAD_S) for cell in cells)
    began_s, done_s = time.monotonic(), 0.0
    rows: list[Row] = []
    for cell in cells:
        for controller in controllers:
            speed = (time.monotonic() - began_s) / done_s if done_s else 1.0
            left = (total_s - done_s) * speed / 60.0
            print(f"{cell.label}, {controller}; {left:.0f} min left", file=sys.stderr)
            rows.append(await _one(cell, controller))
            done_s += cell.seconds + _OVERHEAD_S
    return rows


async def _one(cell: Cell, controller: str) -> Row:
    from netem.link import Link  # noqa: PLC0415

    link = Link(cell.trace, queue_bytes=QUEUE_BYTES)
    async with behind(link, cell.cap_bps, cell.fps) as (site, page):
        return await _publish(cell, controller, link, site, page)


async def _publish(cell: Cell, controller: str, link: Link, site: Site, page: Any) -> Row:
    begin_ms = link.origin_ms + LEAD_MS
    await asyncio.sleep(max(0.0, begin_ms - now_ms()) / 1000.0)
    begin_ms = max(begin_ms, now_ms())
    first_bps = min(START_BPS, cell.cap_bps) if controller == "trains" else cell.cap_bps
    wishes = {"receiver": controller, "fps": cell.fps, "firstBps": first_bps}
    await page.evaluate("(wishes) => bench.publish(wishes)", wishes)
    receiving = site.current
    assert receiving is not None
    end_ms = begin_ms + 1000.0 * cell.seconds
    await asyncio.sleep(2.0)  # the first key frame is not what the quality is judged by
    early = await page.evaluate("() => bench.stats()")
    await asyncio.sleep(max(0.0, end_ms - now_ms()) / 1000.0)  # the length of the measurement
    late = await page.evaluate("() => bench.stats()")
    await asyncio.sleep(min(_GUARD_MS, 100.0 * cell.seconds) / 1000.0)  # what is still on its way
    report = await page.evaluate("() => bench.finish()")
    await receiving.close()
    encoded = [(rtp, at_ms + report["offset_ms"], size) for rtp, at_ms, size in report["encoded"]]
    whole = receiving.arrivals.received_ms({rtp for rtp, _, _ in encoded})
    frames = [
        figures.Frame(at_ms - link.origin_ms, 8.0 * size, whole.get(rtp, math.inf) - at_ms)
        for rtp, at_ms, size in encoded
        if at_ms <= end_ms
    ]
    found = _figures(cell, frames)
    counted = max(1, late["framesEncoded"] - early["framesEncoded"])
    found = replace(found, qp=(late["qpSum"] - early["qpSum"]) / counted)
    times = [frame.at_ms for frame in frames]
    best = figures.oracle(cell.trace, times, cell.fps, cell.cap_bps, 100.0)
    return Row(cell, controller, found, best)


def _figures(cell: Cell, frames: Sequence[figures.Frame]) -> figures.Figures:
    found = figures.summarise(frames, cell.trace, cell.fps, cell.seconds)
    began_ms = frames[0].at_ms
    if cell.kind == "steady":
        settled = [frame for frame in frames if frame.at_ms > began_ms + 4_000.0]
        bits = figures.quantile([frame.bits for frame in settled or frames], 0.5)
        found = replace(
            figures.summarise(settled or frames, cell.trace, cell.fps, cell.seconds - 4.0),
            crossing_ms=1000.0 * bits / cell.trace.rate_at(0.0),
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
