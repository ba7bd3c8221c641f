"""A server process with light publishers, observed from outside."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from edge.base.clock import now_ms
from edge.client.clocks import unix_ms
from edge.client.frame_outcomes import IN_TIME
from netem.footage.encoded_clip import EncodedClip
from netem.publisher.publisher import LightPublisher, publishing

FPS = 10
SLO_MS = 1000.0  # far above the latency at this load
CLIENTS = 4
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Resources:
    """A process's use of the system, in counts."""

    descriptors: int
    threads: int
    children: int


@dataclass
class FaultStage:
    """The server and its publishers."""

    url: str
    process: asyncio.subprocess.Process
    folder: Path
    clip: EncodedClip
    log_lines: list[str]
    """Its standard error so far."""
    stack: contextlib.AsyncExitStack
    """Ends the publishers."""
    insecure: bool = False
    status: int = 0
    """That the process ends with."""
    publishers: list[LightPublisher] = field(default_factory=list)
    lost: list[LightPublisher] = field(default_factory=list)
    """Those whose sessions a fault has ended, as it promises."""

    @property
    def pid(self) -> int:
        return self.process.pid

    def workers(self) -> list[int]:
        """The workers' process ids, in the order they were started."""
        return self._processes("edge.workers")

    def ingests(self) -> list[int]:
        """The ingest processes' ids, in the order they were started."""
        return self._processes("edge.ingest")

    def _processes(self, module: str) -> list[int]:
        return sorted(pid for pid in _children(self.pid) if module in _command(pid))

    async def arrive(self, label: str) -> None:
        """One publisher more."""
        publisher = publishing(
            self.url, self.clip, slo_ms=SLO_MS, label=label, insecure=self.insecure
        )
        self.publishers.append(await self.stack.enter_async_context(publisher))

    def resources(self) -> Resources:
        proc = Path(f"/proc/{self.pid}")
        return Resources(
            len(list((proc / "fd").iterdir())),
            len(list((proc / "task").iterdir())),
            len(_children(self.pid)),
        )

    async def health(self) -> Mapping[str, object]:
        async with aiohttp.ClientSession() as http, http.get(f"{self.url}healthz") as response:
            return dict(await response.json())

    async def replaced(self, worker: int) -> None:
        """Until another process has taken that worker's place, and takes batches."""
        devices = int(str((await self.health())["devices"]))

        async def done() -> bool:
            others = [pid for pid in self.workers() if pid != worker]
            ready = (await self.health())["devices_ready"] == devices
            return ready and len(others) == devices

        async with asyncio.timeout(60):
            while not await done():  # noqa: ASYNC110
                await asyncio.sleep(0.02)  # another process sends no event

    async def released(self, before: Resources) -> Resources:
        """The resources once they are down to `before`, threads apart; after 60 s as they are.

        One look decides: a file that is open for a moment (a journal, a log) is no leak.
        """
        now = self.resources()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(60):
                while now.descriptors > before.descriptors or now.children != before.children:
                    await asyncio.sleep(0.02)  # connections close when both ends have seen it
                    now = self.resources()
        return now

    def outcomes(
        self, since_ms: float, until_ms: float, of: Sequence[LightPublisher]
    ) -> Counter[str]:
        """Outcomes of the frames captured in that time that the publishers sent."""
        return Counter(
            frame.outcome
            for each in of
            for frame in each.outcomes.frames
            if since_ms <= frame.captured_ms < until_ms
            and frame.outcome not in (None, "paced", "encoder")
        )

    async def ended(self) -> None:
        """Until every frame captured so far has its outcome."""

        async def of(publisher: LightPublisher) -> None:
            frames = list(publisher.outcomes.frames)
            await publisher.wait_for(lambda _: all(frame.outcome is not None for frame in frames))

        await asyncio.gather(*(of(each) for each in self.publishers))

    async def answered(self, of: Sequence[LightPublisher] | None = None, more: int = 3) -> None:
        """Until each has so many frames answered in time that were captured from now on."""
        begin_ms = unix_ms()

        def enough(me: LightPublisher) -> bool:
            fresh = [f for f in me.outcomes.frames[-200:] if f.captured_ms >= begin_ms]
            return sum(f.outcome == IN_TIME for f in fresh) >= more

        await asyncio.gather(*(each.wait_for(enough, 60.0) for each in of or self.publishers))


@asynccontextmanager
async def stage(
    folder: Path,
    devices: Sequence[str],
    *arguments: str,
    clients: int = CLIENTS,
    environment: Mapping[str, str] | None = None,
    before: Sequence[str] = (),
    tls: bool = False,
) -> AsyncIterator[FaultStage]:
    """A server on loopback, and publishers that have been answered; all gone afterwards.

    `before`: words in front of the command, that end by becoming it.
    """
    command = [*before, sys.executable, "-m", "edge", "serve", "--host", "127.0.0.1"]
    if not tls:
        command.append("--http")
    process = await asyncio.create_subprocess_exec(
        *(*command, "--port", "0", "--device", *devices, *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
        # A busy machine may seem too slow for one publisher more, which is not tested here.
        env={
            **os.environ,
            "EDGE_ADMISSION": "false",
            "EDGE_ADMIN_LOOPBACK": "true",
            **(environment or {}),
        },
    )
    assert process.stdout is not None
    assert process.stderr is not None
    errors: list[str] = []
    reading = asyncio.create_task(_keep(process.stderr, errors))
    clip = EncodedClip(fps=FPS, long_sides=(128, 192), bits=(0.1, 0.6), seconds=2.0)
    try:
        async with asyncio.timeout(120), contextlib.AsyncExitStack() as stack:
            line = (await process.stdout.readline()).decode()
            match = re.match(r"Serving at (\S+)", line)
            assert match, "".join(errors[-20:]) or line
            at = FaultStage(match[1], process, folder, clip, errors, stack, insecure=tls)
            await asyncio.to_thread(clip.prepare)
            for number in range(clients):
                await at.arrive(f"client {number}")
            await at.answered(more=5)
            yield at
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            assert await process.wait() == at.status, "".join(errors[-20:])
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await reading
    assert not any("Traceback" in line for line in errors), "".join(errors)


async def _keep(stream: asyncio.StreamReader, lines: list[str]) -> None:
    while line := await stream.readline():
        lines.append(line.decode())


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            found += map(int, (task / "children").read_text().split())
    return found


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def seconds_since(began_ms: float) -> float:
    return (now_ms() - began_ms) / 1000.0
