"""Receivers and publishers of `bench ingest` as processes, each kept on its processors."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from analysis.bench.ingest.figures import MeasurementWindow, Stage, stage
from analysis.bench.report import MeasurementError

SETTLE_S = 1.5  # after new publishers began to send
_TAIL_S = 0.25  # in which the last frames of a window may be decoded
_LINE_S = 90.0  # for an answer: as many handshakes as there are publishers
_LIMIT = 1 << 26  # bytes of an answer
_ROOT = Path(__file__).parents[3]


class LineProcess:
    """A process that answers each line on its standard input with one line."""

    def __init__(self, name: str, process: Process) -> None:
        self._name = name
        self._process = process

    @classmethod
    async def start(cls, name: str, *arguments: str) -> LineProcess:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, stdin=PIPE, stdout=PIPE, cwd=_ROOT, limit=_LIMIT
        )
        return cls(name, process)

    async def line(self, text: str | None = None) -> str:
        """Sends a line, if one is given, and returns the next answer. Raises MeasurementError."""
        if text is not None:
            assert self._process.stdin is not None
            self._process.stdin.write(text.encode() + b"\n")
        assert self._process.stdout is not None
        async with asyncio.timeout(_LINE_S):
            line = await self._process.stdout.readline()
        if not line:
            raise MeasurementError(f"{self._name} ended early")
        return line.decode().strip()

    async def take(self) -> dict[str, Any]:
        """Everything noted since the last call, by each connection's location."""
        noted: dict[str, Any] = json.loads(await self.line("take"))
        return noted

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def publishing(url: str, cpus: str | None = None) -> AsyncIterator[LineProcess]:
    """A process of steady publishers for the server at `url`; killed afterwards."""
    where = ("--cpus", cpus) if cpus is not None else ()
    helper = await LineProcess.start("the publisher", "-m", "netem", "steady", url, *where)
    try:
        yield helper
    finally:
        await helper.kill()


async def measure(
    kind: str,
    counts: Sequence[int],
    *,
    seconds: float,
    receivers: Sequence[str],
    publishers: Sequence[str],
    is_limit: Callable[[Stage], bool],
    progress: Callable[[str], None],
) -> list[Stage]:
    """A stage for each of `counts` streams, in rising order, until one is the limit.

    `receivers` and `publishers` give each process' processors ("0"). Streams are divided evenly;
    publishers' process i sends to receivers' process i, or to the only one. A stage at the limit is
    measured twice, and counts only if it is there both times.
    """
    async with AsyncExitStack() as stack:
        receiving = []
        for cpus in receivers:
            arguments = ("-m", "analysis.bench.ingest.receiver_process", kind, "--cpus", cpus)
            receiving.append(await LineProcess.start(f"the {kind} receiver", *arguments))
            stack.push_async_callback(receiving[-1].kill)
        urls = [await each.line() for each in receiving]
        sending = [
            await stack.enter_async_context(publishing(urls[i % len(urls)], cpus))
            for i, cpus in enumerate(publishers)
        ]
        stages: list[Stage] = []
        for count in counts:
            progress(f"{kind}: {count} streams")
            shares = [
                count * (i + 1) // len(sending) - count * i // len(sending)
                for i in range(len(sending))
            ]
            await asyncio.gather(
                *(each.line(str(n)) for each, n in zip(sending, shares, strict=True))
            )
            await asyncio.sleep(SETTLE_S)
            stages.append(await _stage(receiving, sending, count, seconds))
            if is_limit(stages[-1]):
                stages.append(await _stage(receiving, sending, count, seconds))
                if is_limit(stages[-1]):
                    break
        return stages


async def _stage(
    receiving: Sequence[LineProcess], sending: Sequence[LineProcess], count: int, seconds: float
) -> Stage:
    for each in (*receiving, *sending):
        await each.take()  # frames from before the window
    before = [json.loads(await each.line("cpu")) for each in receiving]
    await asyncio.sleep(seconds)  # the length of the measurement
    after = [json.loads(await each.line("cpu")) for each in receiving]
    await asyncio.sleep(_TAIL_S)
    cpu_s = sum(b["cpu_s"] - a["cpu_s"] for a, b in zip(before, after, strict=True))
    window = MeasurementWindow(count, before[-1]["at_ms"], after[0]["at_ms"], cpu_s)
    sent = [await each.take() for each in sending]
    received = [await each.take() for each in receiving]
    frames = []
    for index, publishers in enumerate(sent):
        pictures = received[index % len(received)]
        frames += [
            (times, dict(pictures.get(location, []))) for location, times in publishers.items()
        ]
    return stage(window, frames)
