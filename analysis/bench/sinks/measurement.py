"""Light publishers on a real server with three sinks, whose receivers are killed and come back."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from analysis.bench.edge_server import cpu_s, serving
from analysis.bench.hold.load import count_frames
from analysis.bench.report import MeasurementError
from analysis.bench.sinks.clips import ClipDisk, ClipOutcome, counted
from analysis.bench.sinks.figures import Phase, SinkOutcome
from analysis.bench.sinks.receivers import (
    BrokerReceiver,
    DiskReceiver,
    Receiver,
    WebhookReceiver,
)
from edge.base.clock import now_ms
from edge.client.clocks import unix_ms
from edge.client.frame_outcomes import quantiles
from netem.footage.encoded_clip import EncodedClip
from netem.publisher.publisher import LightPublisher, publishing

FPS = 15
QUEUE_EVENTS = 1000  # of each sink: fewer than come while the receivers are dead
_LONG_SIDES, _BITS = (192, 320, 416), (0.1, 0.2, 0.4)
_SETTLE_S = 5.0
_EMPTY_S = 60.0  # for what waits at the end
_COUNTED_S = 3.0  # until the server has counted the last clips
_ENDED_MS = 1200.0  # before now: frames captured earlier have ended


@dataclass(frozen=True, slots=True)
class SinkRun:
    """The phases in their order, and what became of each sink's events."""

    phases: list[Phase]
    outcomes: list[SinkOutcome]
    clips: ClipOutcome | None
    """None: they were off."""


async def measure(options: argparse.Namespace, device: str, folder: Path) -> SinkRun:
    """Without sinks, with them (alive, dead, back), and without them again."""
    clip = EncodedClip(fps=FPS, long_sides=_LONG_SIDES, bits=_BITS, progress=_progress)
    await asyncio.to_thread(clip.prepare)
    third_s = options.events / (3.0 * FPS * options.clients)
    phases = [await _without(options, device, clip, "without sinks, before", third_s)]
    receivers: list[Receiver] = [
        WebhookReceiver(),
        DiskReceiver(folder / "disk"),
        BrokerReceiver(folder),
    ]
    disk = ClipDisk(folder / "clip disk") if options.clips else None
    disks = [] if disk is None else [disk]
    counts: tuple[dict[str, int], dict[str, int]] = ({}, {})
    try:
        for receiver in [*receivers, *disks]:
            await receiver.start()
        tables = [
            {
                **each.settings,
                "queue_events": QUEUE_EVENTS,
                "types": ["detections", "dropped", "bye"],
            }
            for each in receivers
        ]
        more = {"EDGE_SINKS": json.dumps(tables), "EDGE_ADMISSION": "false"}
        if disk is not None:
            more |= disk.environment
        async with serving(device, options.ingest, **more) as (pid, url):
            async with _publishers(url, clip, options) as publishers:
                phases.append(await _phase("alive", publishers, pid, third_s))
                for receiver in [*receivers, *disks]:
                    await receiver.kill()
                phases.append(await _phase("dead", publishers, pid, third_s))
                for receiver in [*receivers, *disks]:
                    await receiver.start()
                phases.append(await _phase("back", publishers, pid, third_s + _SETTLE_S))
            shown = await _emptied(url)
            if disk is not None:
                await asyncio.sleep(_COUNTED_S)
                async with aiohttp.ClientSession() as http:
                    counts = await counted(http, url)
    finally:
        for receiver in [*receivers, *disks]:
            await receiver.close()
    phases.append(await _without(options, device, clip, "without sinks, after", third_s))
    outcomes = [
        SinkOutcome.of(each, receiver.receipt)
        for each, receiver in zip(shown, receivers, strict=True)
    ]
    clips = None if disk is None else ClipOutcome.of(*counts, disk)
    return SinkRun(phases, outcomes, clips)


async def _without(
    options: argparse.Namespace, device: str, clip: EncodedClip, name: str, seconds: float
) -> Phase:
    async with (
        serving(device, options.ingest, EDGE_ADMISSION="false") as (pid, url),
        _publishers(url, clip, options) as publishers,
    ):
        return await _phase(name, publishers, pid, seconds)


@asynccontextmanager
async def _publishers(
    url: str, clip: EncodedClip, options: argparse.Namespace
) -> AsyncIterator[list[LightPublisher]]:
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                publishing(url, clip, slo_ms=options.slo_ms, label=f"camera {number}")
            )
            for number in range(options.clients)
        ]


async def _phase(
    name: str, publishers: Sequence[LightPublisher], pid: int, seconds: float
) -> Phase:
    _progress(f"{name}: {seconds:.0f} s")
    if name.startswith("without") or name == "alive":
        await asyncio.sleep(_SETTLE_S)
    begin_ms, begin_cpu_s, began_ms = unix_ms(), cpu_s(pid), now_ms()
    await asyncio.sleep(seconds)
    took_s = (now_ms() - began_ms) / 1000.0
    frames, why, latencies = await count_frames(
        publishers, begin_ms - _ENDED_MS, unix_ms() - _ENDED_MS
    )
    latency = quantiles(latencies)
    return Phase(
        name=name,
        seconds=round(took_s, 1),
        frames=frames,
        missed=why.total(),
        p50_ms=latency["p50"],
        p99_ms=latency["p99"],
        core_share=round((cpu_s(pid) - begin_cpu_s) / took_s, 3),
        why=dict(why.most_common()),
    )


async def _emptied(url: str) -> list[dict[str, Any]]:
    """The sinks, once nothing waits."""
    end_ms = now_ms() + 1000.0 * _EMPTY_S
    async with aiohttp.ClientSession() as http:
        while True:
            async with http.get(f"{url}api/sinks") as response:
                sinks: list[dict[str, Any]] = (await response.json())["sinks"]
            async with http.get(f"{url}healthz") as response:
                present = (await response.json())["sessions"]
            if not present and not any(sink["waiting"] for sink in sinks):
                return sinks
            if now_ms() > end_ms:
                raise MeasurementError(f"events still wait after {_EMPTY_S:g} s: {sinks}")
            await asyncio.sleep(0.5)


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
