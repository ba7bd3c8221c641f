"""The demo beside busy loops, and publishers that join a fresh server until one is refused."""

from __future__ import annotations

import asyncio
import functools
import json
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from analysis.bench.busy.figures import BusyDemo
from analysis.bench.edge_server import serving
from analysis.bench.hold.load import made_clip
from analysis.bench.report import MeasurementError
from edge.client.whip_client import PublishError
from edge.ipc.parent_watch import terminate_with_parent
from netem.publisher.publisher import publishing

ROOT = Path(__file__).parents[3]
MOST = 16  # publishers that are tried at a start
_STEP_S = 3.0  # between two: the server measures its load over a second
_END_S = 600.0  # for the demo, beside its seconds: a server starts slowly on a busy machine
# Ends by itself, should nobody end it.
_LOOP = "import time\nend = time.monotonic() + {seconds}\nwhile time.monotonic() < end: pass"


@asynccontextmanager
async def busy_loops(count: int, seconds: float) -> AsyncIterator[None]:
    """So many processes that take all processor time they can get, for `seconds` at most."""
    loops: list[Process] = []
    command = (sys.executable, "-c", _LOOP.format(seconds=seconds))
    start = functools.partial(asyncio.create_subprocess_exec, preexec_fn=terminate_with_parent)
    try:
        loops += [await start(*command) for _ in range(count)]
        yield
    finally:
        for loop in loops:
            if loop.returncode is None:
                loop.kill()
        await asyncio.gather(*(loop.wait() for loop in loops))


async def demo(loops: int, seconds: float, slo_ms: float, folder: Path) -> BusyDemo:
    """The demo, a real browser and the real network on the processor, beside the loops.

    Raises MeasurementError if it fails.
    """
    summary = folder / f"demo-{loops}.json"
    command = [sys.executable, "-m", "edge", "demo", "--seconds", f"{seconds:g}"]
    command += ["--slo-ms", f"{slo_ms:g}", "--json", str(summary)]
    command += ["--screenshot", str(folder / "demo.png")]
    async with busy_loops(loops, seconds + _END_S):
        process = await asyncio.create_subprocess_exec(
            *command, stdout=DEVNULL, cwd=ROOT, preexec_fn=terminate_with_parent
        )
        try:
            async with asyncio.timeout(seconds + _END_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise MeasurementError(f"the demo did not end beside {loops} loops") from None
    try:
        return BusyDemo.of(loops, json.loads(await asyncio.to_thread(summary.read_text)))
    except (OSError, ValueError, KeyError) as error:
        raise MeasurementError(f"the demo left no summary beside {loops} loops") from error


async def admitted(slo_ms: float) -> int:
    """How many publishers a fresh server on this processor admits, one after the other."""
    clip = await made_clip()
    async with serving("cpu", 1) as (_, url), AsyncExitStack() as stack:
        for number in range(MOST):
            try:
                await stack.enter_async_context(
                    publishing(url, clip, slo_ms=slo_ms, label=f"phone {number + 1}")
                )
            except PublishError:
                return number
            await asyncio.sleep(_STEP_S)
    return MOST
