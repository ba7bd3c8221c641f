"""Minutes with sessions joining and leaving: does memory grow, is anything left behind?

A real server (`edge serve`, on a simulated device unless another is named) in a process of its own;
light publishers join, stay for some seconds and leave, one in four without a word. The first two
minutes do not count: caches fill, allocators find their size. Then resident memory, threads and
descriptors of the server's processes are sampled, and asyncio tasks, until the time is over; before
and after it nobody is there.

The publishers are the laboratory's: only this command, a tool, imports `netem`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import sys
import tempfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from rich import box
from rich.console import Console
from rich.table import Table

from analysis.bench.edge_server import family, serving, simulated
from analysis.bench.soak.figures import Course, Footprint, MemorySample, promises
from edge.clock import now_ms

if TYPE_CHECKING:
    from netem.footage.encoded_clip import EncodedClip

_LONG_SIDES, _BITS = (192, 320, 416), (0.1, 0.2, 0.4)  # what is sent; hints choose among them
_STAY_S = (4.0, 20.0)
_SILENT = 0.25  # of the sessions leave without a word
_SAMPLE_S = 2.0
_GONE_S = 60.0  # until the last session has timed out
_QUIET_S = 3.0  # then, for what is let go of late


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--minutes", type=float, default=10.0, metavar="N", help="default 10")
    parser.add_argument("--warm-up", type=float, default=120.0, metavar="S", help="default 120")
    parser.add_argument("--clients", type=int, default=6, metavar="N", help="at a time; default 6")
    parser.add_argument("--ingest", type=int, default=1, metavar="N", help="default 1")
    parser.add_argument("--device", metavar="D", help="default: simulated, 2 to 10 ms a picture")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 when nothing grew and nothing was left behind, 1 otherwise."""
    with tempfile.TemporaryDirectory(prefix="edge-bench-") as folder:
        device = options.device or simulated(Path(folder))
        try:
            course, ends = asyncio.run(_soak(options, device))
        except (OSError, RuntimeError, TimeoutError) as error:
            print(f"error: {error or type(error).__name__}", file=sys.stderr)
            return 1
    console = Console()
    if not console.is_terminal:
        console = Console(width=140)
    console.print(_table(course))
    said = ", ".join(f"{count} {how}" for how, count in sorted(ends.items()))
    console.print(f"{options.minutes:g} minutes, {options.ingest} ingest; sessions: {said}")
    judged = list(promises(course))
    for text, held in judged:
        console.print(f"{'kept' if held else 'BROKEN'}: {text}")
    kept = all(held for _, held in judged)
    if options.json:
        report = {"kept": kept, "ends": ends, **asdict(course)}
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if kept else 1


async def _soak(options: argparse.Namespace, device: str) -> tuple[Course, Counter[str]]:
    from netem.footage.encoded_clip import EncodedClip  # noqa: PLC0415  # the laboratory: a tool may

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    clip = EncodedClip(long_sides=_LONG_SIDES, bits=_BITS, progress=say)
    await asyncio.to_thread(clip.prepare)
    ends: Counter[str] = Counter()
    async with serving(device, options.ingest) as (pid, url), aiohttp.ClientSession() as http:
        say(f"warming up for {options.warm_up:g} s")
        await _crowd(url, clip, options, options.warm_up, Counter())
        before = await _alone(http, url, pid)
        say(f"{options.minutes:g} minutes with {options.clients} sessions at a time")
        begin_ms, during = now_ms(), []

        async def sample() -> None:
            while True:
                await asyncio.sleep(_SAMPLE_S)
                during.append(await _sample(http, url, pid, begin_ms))
                if len(during) % 15 == 0:
                    last = during[-1]
                    say(f"{last.at_s:.0f} s: {last.rss_mb:.1f} MB, {last.sessions} sessions")

        sampling = asyncio.create_task(sample())
        await _crowd(url, clip, options, 60.0 * options.minutes, ends)
        sampling.cancel()
        await asyncio.wait([sampling])
        if not sampling.cancelled() and (error := sampling.exception()) is not None:
            raise RuntimeError(f"the server could not be sampled: {error}")
        return Course(before, during, await _alone(http, url, pid)), ends


async def _crowd(
    url: str, clip: EncodedClip, options: argparse.Namespace, seconds: float, ends: Counter[str]
) -> None:
    """So many at a time for so long; each who leaves is followed by another."""
    from netem.publisher.publisher import publishing  # noqa: PLC0415
    from netem.publisher.whip_client import PublishError  # noqa: PLC0415

    draw = random.Random(1)
    over_ms = now_ms() + 1000.0 * seconds

    async def place() -> None:
        while (left_s := (over_ms - now_ms()) / 1000.0) > 0.0:
            try:
                async with publishing(url, clip, slo_ms=200.0, label="soak") as publisher:
                    stay_s = min(left_s, draw.uniform(*_STAY_S))
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(stay_s):  # how long it is there
                            await publisher.ended()
                    if publisher.reason is not None:
                        ends["ended by the server"] += 1
                    elif draw.random() < _SILENT:
                        publisher.lose_network()
                        ends["left without a word"] += 1
                    else:
                        ends["left"] += 1
                    if not publisher.stats().in_time:
                        ends["never answered in time"] += 1
            except PublishError:
                ends["refused"] += 1
                await asyncio.sleep(1.0)  # as a client would that is told to come again

    await asyncio.gather(*(place() for _ in range(options.clients)))


async def _alone(http: aiohttp.ClientSession, url: str, pid: int) -> MemorySample:
    """The server once all its sessions have ended."""
    async with asyncio.timeout(_GONE_S):
        while (await _health(http, url))["sessions"]:  # noqa: ASYNC110  # another process
            await asyncio.sleep(0.5)
    await asyncio.sleep(_QUIET_S)
    return await _sample(http, url, pid, now_ms())


async def _health(http: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    # Kept alive, the connection would stay one descriptor more.
    async with http.get(f"{url}healthz", headers={"Connection": "close"}) as response:
        health: dict[str, Any] = await response.json()
        return health


async def _sample(http: aiohttp.ClientSession, url: str, pid: int, begin_ms: float) -> MemorySample:
    # First: the connection that asks for the server's health is one descriptor more.
    processes: dict[str, Footprint] = {}
    for name, pids in family(pid).items():
        for each in pids:
            processes[name] = _sum(processes.get(name), _footprint(each))
    health = await _health(http, url)
    return MemorySample(
        (now_ms() - begin_ms) / 1000.0, health["sessions"], processes, health["tasks"]
    )


def _footprint(pid: int) -> Footprint:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    threads = len(os.listdir(f"/proc/{pid}/task"))
    descriptors = len(os.listdir(f"/proc/{pid}/fd"))
    return Footprint(int(found[1]) / 1024.0 if found else 0.0, threads, descriptors, 1)


def _sum(one: Footprint | None, other: Footprint) -> Footprint:
    if one is None:
        return other
    return Footprint(
        one.rss_mb + other.rss_mb,
        one.threads + other.threads,
        one.descriptors + other.descriptors,
        one.processes + other.processes,
    )


def _table(course: Course) -> Table:
    table = Table(title="what the server's processes hold", box=box.SIMPLE)
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
