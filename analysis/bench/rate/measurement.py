"""The runs of `bench rate`: cells, the order of runs, and one run behind its link."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from analysis.bench.rate import figures
from analysis.bench.rate.browser_publisher import page_behind, publish
from analysis.bench.rate.receivers import ReceiverServer
from analysis.bench.rate.result_store import Processors, ResultStore, write_frames
from analysis.bench.rate.results import RateCell, RateResult
from edge.adaptation.hint_controller import START_BPS
from edge.base.clock import now_ms
from netem.links.emulated_link import EmulatedLink, Kind
from traces import Trace, constant, read, shipped

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


def cells_of(options: argparse.Namespace, kinds: Sequence[str]) -> Iterator[tuple[RateCell, Trace]]:
    """The cells that the options ask for, each with its trace. Raises TraceError."""
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


async def measure(
    cells: Sequence[tuple[RateCell, Trace]], options: argparse.Namespace, store: ResultStore
) -> None:
    """Runs what the store does not have yet, `options.abreast` runs at a time."""
    runs: list[RateRun] = []
    for cell, trace in cells:
        present = {row.controller for row in store.chosen([(cell, n) for n in options.controllers])}
        names = [n for n in options.controllers if options.again or n not in present]
        runs += [RateRun(cell, trace, name, options.frames, options.link) for name in names]
    runs.sort(key=lambda run: run.cell.seconds)  # so that those abreast end together
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
        rows = await asyncio.gather(*map(_measure_run, group))
        busy = processors.busy()
        for row in rows:
            if row is not None:
                store.put(row, busy)
        done_s += group[-1].cell.seconds + _OVERHEAD_S


async def _measure_run(run: RateRun) -> RateResult | None:
    """One run's result; None if the machine was too busy to begin in time."""
    link = EmulatedLink(run.trace, queue_bytes=QUEUE_BYTES, kind=run.link)
    async with page_behind(link, run.cell.cap_bps, run.cell.fps, run.cell.grain) as (server, page):
        begin_ms = link.origin_ms + LEAD_MS
        await asyncio.sleep(max(0.0, begin_ms - now_ms()) / 1000.0)
        late_ms = now_ms() - begin_ms
        if late_ms <= _LATE_MS:
            return await _publish(run, begin_ms, link, server, page)
    where = f"{run.cell.label}, {run.controller}"
    print(f"{where}: not measured, ready {late_ms:.0f} ms too late; run it again", file=sys.stderr)
    return None


async def _publish(
    run: RateRun, begin_ms: float, link: EmulatedLink, server: ReceiverServer, page: Any
) -> RateResult:
    cell, trace, controller = run.cell, run.trace, run.controller
    end_ms = begin_ms + 1000.0 * cell.seconds
    first_bps = min(START_BPS, cell.cap_bps) if controller == "receiver" else cell.cap_bps
    publication = await publish(server, page, controller, first_bps, end_ms)
    frames = publication.frames(link.origin_ms)
    if run.folder is not None:
        caps = [(at_ms - link.origin_ms, bps) for at_ms, bps in publication.caps]
        write_frames(run.folder, cell, controller, frames, caps)
    found = replace(_figures(cell, trace, frames), qp=publication.qp, edge=publication.long_side)
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
