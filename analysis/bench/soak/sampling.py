"""Sessions that come and go on a real server, whose processes are sampled meanwhile."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import sys
from collections import Counter
from typing import Any

import aiohttp

from analysis.bench.edge_server import process_family, rss_mb, serving
from analysis.bench.report import MeasurementError
from analysis.bench.soak.figures import Course, Footprint, MemorySample
from edge.base.clock import now_ms
from edge.client.whip_client import PublishError
from netem.footage.encoded_clip import EncodedClip
from netem.publisher.publisher import publishing

_LONG_SIDES, _BITS = (192, 320, 416), (0.1, 0.2, 0.4)  # of the renditions; hints choose among them
_STAY_S = (4.0, 20.0)
_VANISHING = 0.25  # of the sessions leave without ending
_SAMPLE_S = 2.0
_GONE_S = 60.0  # until the last session has timed out
_QUIET_S = 3.0  # then, for resources that are released with a delay


async def soak(options: argparse.Namespace, device: str) -> tuple[Course, Counter[str]]:
    """The samples, and how many sessions ended in which way. Raises MeasurementError."""
    clip = EncodedClip(long_sides=_LONG_SIDES, bits=_BITS, progress=_progress)
    await asyncio.to_thread(clip.prepare)
    ends: Counter[str] = Counter()
    async with serving(device, options.ingest) as (pid, url), aiohttp.ClientSession() as http:
        _progress(f"warming up for {options.warm_up:g} s")
        await _churn(url, clip, options, options.warm_up, Counter())
        before = await _without_sessions(http, url, pid)
        _progress(f"{options.minutes:g} minutes with {options.clients} sessions at a time")
        begin_ms, during = now_ms(), []

        async def sample() -> None:
            while True:
                await asyncio.sleep(_SAMPLE_S)
                during.append(await _sample(http, url, pid, begin_ms))
                if len(during) % 15 == 0:
                    last = during[-1]
                    _progress(f"{last.at_s:.0f} s: {last.rss_mb:.1f} MB, {last.sessions} sessions")

        sampling = asyncio.create_task(sample())
        await _churn(url, clip, options, 60.0 * options.minutes, ends)
        sampling.cancel()
        await asyncio.wait([sampling])
        if not sampling.cancelled() and (error := sampling.exception()) is not None:
            raise MeasurementError(f"the server could not be sampled: {error}")
        return Course(before, during, await _without_sessions(http, url, pid)), ends


async def _churn(
    url: str, clip: EncodedClip, options: argparse.Namespace, seconds: float, ends: Counter[str]
) -> None:
    """Keeps `options.clients` sessions at a time; one that leaves is followed by another."""
    draw = random.Random(1)
    end_ms = now_ms() + 1000.0 * seconds

    async def slot() -> None:
        while (left_s := (end_ms - now_ms()) / 1000.0) > 0.0:
            try:
                async with publishing(url, clip, slo_ms=200.0, label="soak") as publisher:
                    stay_s = min(left_s, draw.uniform(*_STAY_S))
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(stay_s):  # its stay
                            await publisher.ended()
                    if publisher.reason is not None:
                        ends["ended by the server"] += 1
                    elif draw.random() < _VANISHING:
                        publisher.lose_network()
                        ends["vanished"] += 1
                    else:
                        ends["left"] += 1
                    if not publisher.stats().in_time:
                        ends["never answered in time"] += 1
            except PublishError:
                ends["refused"] += 1
                await asyncio.sleep(1.0)  # as a client does after Retry-After

    await asyncio.gather(*(slot() for _ in range(options.clients)))


async def _without_sessions(http: aiohttp.ClientSession, url: str, pid: int) -> MemorySample:
    """A sample once all sessions have ended."""
    async with asyncio.timeout(_GONE_S):
        while (await _health(http, url))["sessions"]:  # noqa: ASYNC110  # another process
            await asyncio.sleep(0.5)
    await asyncio.sleep(_QUIET_S)
    return await _sample(http, url, pid, now_ms())


async def _health(http: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    # A connection kept alive would be one more descriptor of the server's.
    async with http.get(f"{url}healthz", headers={"Connection": "close"}) as response:
        health: dict[str, Any] = await response.json()
        return health


async def _sample(http: aiohttp.ClientSession, url: str, pid: int, begin_ms: float) -> MemorySample:
    # First, since the connection for the server's health is one more descriptor.
    processes: dict[str, Footprint] = {}
    for name, pids in process_family(pid).items():
        for each in pids:
            processes[name] = _sum(processes.get(name), _footprint(each))
    health = await _health(http, url)
    return MemorySample(
        (now_ms() - begin_ms) / 1000.0, health["sessions"], processes, health["tasks"]
    )


def _footprint(pid: int) -> Footprint:
    threads = len(os.listdir(f"/proc/{pid}/task"))
    descriptors = len(os.listdir(f"/proc/{pid}/fd"))
    return Footprint(rss_mb(pid), threads, descriptors, 1)


def _sum(one: Footprint | None, other: Footprint) -> Footprint:
    if one is None:
        return other
    return Footprint(
        one.rss_mb + other.rss_mb,
        one.threads + other.threads,
        one.descriptors + other.descriptors,
        one.processes + other.processes,
    )


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
