"""The load that a server holds without and with tracks and feeds, in pairs that alternate."""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from analysis.bench.edge_server import cpu_by_process, cpu_s, process_family, serving
from analysis.bench.hold.load import FPS, count_frames, fill, made_clip
from analysis.bench.report import MeasurementError, Promise
from edge.client.clocks import unix_ms
from edge.ipc.parent_watch import terminate_with_parent

PLAIN, FOLLOWED = "plain", "tracks and feeds"
HOLD_S = 30.0  # after the last publisher was taken
MAX_FEWER = 1.0  # publishers: the server's own estimate of its devices moves by as many
_SETTLE_S = 3.0
_OPEN_S = 1.2  # of the last frames, which may not have ended yet
_END_S = 30.0
_EVERYWHERE = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]
TRACKS = {
    "EDGE_TRACKING": json.dumps({"on": True}),
    "EDGE_ZONES": json.dumps([{"name": "picture", "polygon": _EVERYWHERE}]),
    "EDGE_LINES": json.dumps([{"name": "middle", "start": [0.0, 0.5], "end": [1.0, 0.5]}]),
}


@dataclass(frozen=True, slots=True)
class HeldPair:
    """One filling of a server: which kind, the publishers that it took, their frames while it held
    them and those missed, and the sessions and results that the feeds' readers had."""

    kind: str
    clients: int
    limit: str
    frames: int
    missed: int
    read_sessions: int = 0
    read_results: int = 0
    cpu_ms: dict[str, float] = field(default_factory=dict)
    """Processor time a frame while held, by process: the server's, "publishers", "readers"."""

    @property
    def share(self) -> float:
        return self.missed / self.frames if self.frames else 0.0


def promises(held: Sequence[HeldPair]) -> Iterator[Promise]:
    """Tracks and feeds cost no publisher; every session was read."""
    took = {
        kind: statistics.mean(each.clients for each in held if each.kind == kind)
        for kind in (PLAIN, FOLLOWED)
    }
    text = f"{took[PLAIN]:.1f} publishers on average, {took[FOLLOWED]:.1f} with tracks and feeds"
    yield Promise(text, took[FOLLOWED] >= took[PLAIN] - MAX_FEWER)
    followed = [each for each in held if each.kind == FOLLOWED]
    unread = sum(max(0, each.clients - each.read_sessions) for each in followed)
    results = sum(each.read_results for each in followed)
    yield Promise(f"every session's feed was read: {results:,} results", not unread and results > 0)


async def measure(options: argparse.Namespace, device: str) -> list[HeldPair]:
    """`options.pairs` pairs; which of a pair is first alternates."""
    clip = await made_clip()
    held: list[HeldPair] = []
    for pair in range(options.pairs):
        for kind in (PLAIN, FOLLOWED) if pair % 2 == 0 else (FOLLOWED, PLAIN):
            settings = {"EDGE_MAX_SESSIONS": str(options.most)} | (
                TRACKS if kind == FOLLOWED else {}
            )
            async with AsyncExitStack() as stack:
                pid, url = await stack.enter_async_context(
                    serving(device, options.ingest, **settings)
                )
                readers = None
                if kind == FOLLOWED:
                    readers = await stack.enter_async_context(_reading(url))
                publishers, limit = await fill(stack, url, clip, options)
                await asyncio.sleep(_SETTLE_S)
                used = _ProcessorTime(pid, readers)
                begin_ms = unix_ms()
                await asyncio.sleep(HOLD_S)
                used_s = used.since_s()
                frames, why, _ = await count_frames(
                    publishers, begin_ms, begin_ms + 1000.0 * (HOLD_S - _OPEN_S)
                )
                read = {} if readers is None else await _read_by(readers)
            held.append(
                HeldPair(
                    kind, len(publishers), limit, frames, why.total(),
                    read.get("sessions", 0), read.get("results", 0),
                    {
                        name: 1000.0 * each / HOLD_S * (HOLD_S - _OPEN_S) / max(1, frames)
                        for name, each in used_s.items()
                    },
                )
            )  # fmt: skip
            print(
                f"{pair + 1} of {options.pairs}, {kind}: {len(publishers)} publishers at {FPS}"
                f" frames a second, {why.total()} of {frames:,} missed; {limit}",
                file=sys.stderr,
                flush=True,
            )
    return held


class _ProcessorTime:
    """What a server's processes, this one and the readers use from now on."""

    def __init__(self, pid: int, readers: Process | None) -> None:
        self._family = process_family(pid)
        self._readers = readers
        self._before = self._now()

    def since_s(self) -> dict[str, float]:
        return {name: used - self._before[name] for name, used in self._now().items()}

    def _now(self) -> dict[str, float]:
        used = {**cpu_by_process(self._family), "publishers": time.process_time()}
        return used if self._readers is None else {**used, "readers": cpu_s(self._readers.pid)}


@asynccontextmanager
async def _reading(url: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "analysis.bench.hold.feed_readers", url,
        stdin=PIPE, stdout=PIPE, cwd=Path(__file__).parents[3],
        preexec_fn=terminate_with_parent,  # also if this process is killed
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _read_by(readers: Process) -> dict[str, int]:
    """What the readers had. Raises MeasurementError if they failed."""
    assert readers.stdin is not None
    readers.stdin.close()
    try:
        async with asyncio.timeout(_END_S):
            output, _ = await readers.communicate()
    except TimeoutError:
        raise MeasurementError("the feeds' readers did not end") from None
    if readers.returncode != 0:
        raise MeasurementError(f"the feeds' readers ended with {readers.returncode}")
    found: dict[str, int] = json.loads(output)
    return found
