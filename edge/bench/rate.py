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
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

from edge import samples
from edge.bench import _rate_figures as figures
from edge.bench._rate_receivers import CONTROLLERS, START_BPS, Site
from edge.browser import chromium, chromium_path
from edge.rtc import internals
from edge.timebase import now_ms

if TYPE_CHECKING:
    from netem.link import Link
    from traces import Trace

KINDS = ("steady", "steps", "traces")
STEADY_BPS = (2e6, 8e6, 20e6)
HIGH_BPS, LOW_BPS = 8e6, 1e6
LEAD_MS = 6_000.0  # of the link's time, for the browser to start; then frames count
STEP_MS = 10_000.0
QUEUE_BYTES = 256_000  # deep, as a radio link's is
_SOURCE_WIDTH = 960  # sent at 608 at most
_GUARD_MS = 3_000.0  # before the end, in which frames may still be on their way
_OVERHEAD_S = 9.0  # around each run: starting and ending the browser and the link


@dataclass(frozen=True, slots=True)
class Cell:
    """Conditions that every controller gets. `trace` is shifted by `LEAD_MS`."""

    kind: str
    name: str
    trace: Trace
    seconds: float
    cap_bps: float
    fps: int

    @property
    def label(self) -> str:
        return f"{self.name}, {self.fps}/s, cap {self.cap_bps / 1e6:g}"


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
    console.print(_table(rows))
    console.print(f"load average before it began: {load:.1f}, {os.cpu_count()} processors")
    promises = [(text, held) for row in rows for text, held in _promises(row, rows)]
    for text, held in promises:
        console.print(f"{'kept' if held else 'BROKEN'}: {text}")
    holds = all(held for _, held in promises)
    if options.json:
        cells = [_to_json(row) for row in rows]
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


@dataclass(frozen=True, slots=True)
class Row:
    """One controller in one cell."""

    cell: Cell
    controller: str
    figures: figures.Figures
    oracle: tuple[float, float]  # (share late at 100 ms, bits a second)


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

    camera = samples.y4m(samples.street_video(), cell.fps, _SOURCE_WIDTH)
    async with _made(Link(cell.trace, queue_bytes=QUEUE_BYTES)) as link:
        async with Site(link.outside_address, cell.cap_bps, cell.fps) as site:
            secure = f"--unsafely-treat-insecure-origin-as-secure={site.url.rstrip('/')}"
            async with chromium(camera, flags=[secure]) as browser:
                page = await browser.new_page()
                await page.goto(site.url)
                await page.wait_for_function("window.bench")
                return await _publish(cell, controller, link, site, page)


@asynccontextmanager
async def _made(link: Link) -> AsyncIterator[Link]:
    """Made and removed by another thread: netlink's library runs an event loop of its own."""
    await asyncio.to_thread(link.__enter__)
    try:
        with _inside(link):
            yield link
    finally:
        await asyncio.to_thread(link.close)


@contextmanager
def _inside(link: Link) -> Iterator[None]:
    """The browser starts in the link's namespace meanwhile."""
    before = os.environ.get("EDGE_CHROMIUM")
    with tempfile.TemporaryDirectory(prefix="edge-bench-") as folder:
        script = Path(folder) / "chromium"
        net = f"/run/netns/{link.namespace}"
        script.write_text(f'#!/bin/sh\nexec nsenter --net={net} -- {chromium_path()} "$@"\n')
        script.chmod(0o755)
        os.environ["EDGE_CHROMIUM"] = str(script)
        try:
            yield
        finally:
            if before is None:
                del os.environ["EDGE_CHROMIUM"]
            else:
                os.environ["EDGE_CHROMIUM"] = before


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


# What is told


def _table(rows: Sequence[Row]) -> Table:
    table = Table(title="network time, ms; shares in %; late of the feasible", box=box.SIMPLE)
    for name in ("conditions", "controller"):
        table.add_column(name, no_wrap=True)
    names = ("p50", "p99", "worst", ">75", ">100", ">150", "infeas.", "kbit/s", "QP")
    steps = ("step worst", "recovery", "used")
    for name in (*names, *steps):
        table.add_column(name, justify="right")
    last: Cell | None = None
    for row in rows:
        found = row.figures
        times = (found.p50, found.p99, found.worst)
        table.add_row(
            row.cell.label if row.cell is not last else "",
            row.controller,
            *(f"{ms:.0f}" for ms in times),
            *(f"{100.0 * share:.1f}" for share in found.late_feasible),
            f"{100.0 * found.infeasible[1]:.1f}",
            f"{found.bps / 1e3:.0f}",
            f"{found.qp:.0f}",
            *(
                "" if value is None else f"{value:.{digits}f}"
                for value, digits in (
                    (found.step_worst, 0),
                    (found.recovery_ms, 0),
                    (found.used, 2),
                )
            ),
        )
        last = row.cell
        following = rows[rows.index(row) + 1 :]
        if row.cell.kind == "traces" and not (following and following[0].cell is row.cell):
            late, bps = row.oracle
            empty = [""] * 4
            table.add_row("", "oracle", *empty, f"{100.0 * late:.1f}", "", "", f"{bps / 1e3:.0f}")
    return table


def _promises(row: Row, rows: Sequence[Row]) -> Iterator[tuple[str, bool]]:
    """What is promised of our controller in this cell, and whether it was kept."""
    if row.controller != "trains":
        return
    cell, found, kept = row.cell, row.figures, figures.kept
    if cell.kind == "steady":
        limit_ms = 1.5 * (found.crossing_ms or 0.0) + 3.0
        yield (
            f"{cell.label}: median {found.p50:.1f} at most {limit_ms:.1f} ms",
            (found.p50 <= limit_ms),
        )
    elif cell.kind == "steps":
        worst_ms = 150.0 if cell.cap_bps <= 1.2e6 else 350.0
        text = f"{cell.label}: worst at the step under {worst_ms:.0f} ms"
        yield text, kept(found.step_worst, lambda ms: ms < worst_ms)
        if cell.cap_bps <= 1.2e6:
            text = f"{cell.label}: under 60 ms again within 0.5 s"
            yield text, kept(found.recovery_ms, lambda ms: ms <= 500.0)
        text = f"{cell.label}: 80 % of what was used before within 3 s of the step up"
        yield text, kept(found.used, lambda part: part >= 0.8)
        if cell.cap_bps >= 4e6:
            text = f"{cell.label}: 2.5 Mbit/s within 2 s of the start"
            yield text, kept(found.start_bps, lambda bps: bps >= 2.5e6)
    else:
        others = {other.controller: other.figures for other in rows if other.cell is cell}
        late, bps = found.late_feasible[1], found.bps
        if them := others.get("transport-cc"):
            text = f"{cell.label}: a tenth of transport-cc's late frames ({100 * late:.2f} %,"
            yield (
                f"{text} {100 * them.late_feasible[1]:.2f} %)",
                late <= (0.1 * them.late_feasible[1]),
            )
            text = f"{cell.label}: two thirds of transport-cc's bitrate"
            yield text, bps >= them.bps * 2 / 3
        if them := others.get("aiortc"):
            text = f"{cell.label}: fewer late frames than aiortc at a higher bitrate"
            yield text, late < them.late_feasible[1] and bps > them.bps


def _to_json(row: Row) -> dict[str, Any]:
    cell = row.cell
    return {
        "kind": cell.kind,
        "name": cell.name,
        "cap_bps": cell.cap_bps,
        "fps": cell.fps,
        "seconds": cell.seconds,
        "controller": row.controller,
        **row.figures.to_json(),
        "oracle_late": row.oracle[0],
        "oracle_bps": row.oracle[1],
    }
