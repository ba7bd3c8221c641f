"""Processes that hang: stopped by a signal, or busy for ever in a loop of their own."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from edge.base.clock import now_ms
from netem.publisher.publisher import LightPublisher
from tests.faults.stage import FaultStage, seconds_since, stage
from tests.serving import simulated

STUCK = signal.SIGUSR1
"""A process of a stage that was set up so does not return from its handler."""
_HANDLER = """
import signal
def stuck(*_):
    while True:
        pass
signal.signal(signal.SIGUSR1, stuck)
"""


def stuck_at_signal(folder: Path) -> Mapping[str, str]:
    """The environment of such processes; `folder` is in their search path."""
    (folder / "sitecustomize.py").write_text(_HANDLER)
    return {"PYTHONPATH": str(folder)}


@asynccontextmanager
async def two_ingest_processes(folder: Path) -> AsyncIterator[FaultStage]:
    environment = stuck_at_signal(folder)
    async with stage(folder, [simulated()], "--ingest", "2", environment=environment) as at:
        yield at


async def ingest_stopped(at: FaultStage) -> float:
    """SIGSTOP to one of the ingest processes; seconds until that was noticed."""
    return await _lost(at, signal.SIGSTOP)


async def ingest_stuck(at: FaultStage) -> float:
    """One of the ingest processes is busy for ever; seconds until that was noticed."""
    return await _lost(at, STUCK)


async def _lost(at: FaultStage, number: signal.Signals) -> float:
    """The process is replaced, and its publishers publish again. The others' go on meanwhile."""
    pid = at.ingests()[0]
    began_ms = now_ms()
    os.kill(pid, number)
    async with asyncio.timeout(60), aiohttp.ClientSession() as http:
        while len(present := await _labels(http, at.url)) == len(at.publishers):  # noqa: ASYNC110
            await asyncio.sleep(0.02)  # another process sends no event
        noticed_s = seconds_since(began_ms)
        while pid in at.ingests() or not await _all_ready(http, at.url):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    at.lost = [each for each in at.publishers if each.label not in present]
    at.publishers = [each for each in at.publishers if each.label in present]
    for each in at.lost:
        each.end("its session was lost")
        await at.arrive(each.label)
    await at.answered()
    return noticed_s


def lost(at: FaultStage) -> Sequence[LightPublisher]:
    """The publishers whose process was."""
    return at.lost


async def _labels(http: aiohttp.ClientSession, url: str) -> set[str]:
    async with http.get(f"{url}api/sessions") as response:
        return {each["label"] for each in (await response.json())["sessions"]}


async def _all_ready(http: aiohttp.ClientSession, url: str) -> bool:
    async with http.get(f"{url}healthz") as response:
        processes = (await response.json())["ingest"]
        return len(processes) == 2 and all(each["ready"] for each in processes)
