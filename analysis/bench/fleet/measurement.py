"""A fleet's phases, and the frames that publishers missed in each."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import aiohttp

from analysis.bench.direct.measurement import directing, free_port, offer
from analysis.bench.edge_server import serving, simulated_device
from analysis.bench.report import MeasurementError
from edge.ipc.parent_watch import terminate_with_parent

SLO_MS = 500.0  # the machine is shared by all of them
STEADY_S, AFTER_S = 15.0, 10.0
START_S = 2.0  # of each session: its frames do not count
READY_S = 120.0
_LOOK_S = 0.05


Nodes = dict[str, dict[str, Any]]
"""The director's view: nodes by name, as `/api/nodes` has them."""


@dataclass(slots=True)
class Phase:
    """Frames captured in a phase, by whether their session was moved or lost in it."""

    name: str
    since_ms: float
    until_ms: float = 0.0
    moved: int = 0
    frames: int = 0
    missed: int = 0
    moved_frames: int = 0
    moved_missed: int = 0


@dataclass(slots=True)
class Findings:
    phases: list[Phase] = field(default_factory=list)
    drain_s: float = 0.0
    newcomer_s: float | None = None
    view_s: float = 0.0


async def measure(publishers: int, away_s: float) -> Findings:
    """The phases in turn; MeasurementError where there is no fleet to measure."""
    path = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin"
    program = shutil.which("nats-server", path=path)
    if program is None:
        raise MeasurementError("nats-server is missing: install Debian's `nats-server`")
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        engine = _Engine(program, port)
        settings = {"EDGE_DATA": folder, "EDGE_MAX_REQUESTS_PER_S": "10000"}
        admin = {"EDGE_ADMIN_LOOPBACK": "true", "EDGE_ADMISSION": "false"}
        device = simulated_device(Path(folder))
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(engine.running())
            director = await stack.enter_async_context(
                directing({**settings, **admin}, "--fleet", f"nats://127.0.0.1:{port}")
            )
            pids = {}
            for name in ("a", "b", "c"):
                fleet = {"servers": f"nats://127.0.0.1:{port}", "name": name}
                more = {**settings, **admin, "EDGE_FLEET": json.dumps(fleet)}
                pids[name], _ = await stack.enter_async_context(serving(device, 0, **more))
            http = await stack.enter_async_context(aiohttp.ClientSession())
            record = Path(folder) / "lights.json"
            lights = await _publishing(director, publishers, record)
            try:
                found = await _Phases(http, director, engine, pids, publishers).run(away_s)
                lights.send_signal(signal.SIGINT)
                await asyncio.wait_for(lights.wait(), 60)
            finally:
                if lights.returncode is None:
                    lights.kill()
                    await lights.wait()
            _count(found, json.loads(record.read_text()))
    return found


class _Engine:
    """A nats-server that can be killed and started again."""

    def __init__(self, program: str, port: int) -> None:
        self._command = (program, "--addr", "127.0.0.1", "--port", str(port))
        self._process: Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdout=DEVNULL, stderr=DEVNULL, preexec_fn=terminate_with_parent
        )

    async def kill(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
            self._process = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        await self.start()
        try:
            yield
        finally:
            await self.kill()


async def _publishing(director: str, count: int, record: Path) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "netem", "publish", director, "--clients", str(count)),
        *("--slo-ms", f"{SLO_MS:g}", "--retry", "--json", str(record)),
        stdout=DEVNULL,
        stderr=DEVNULL,
        preexec_fn=terminate_with_parent,
    )


class _Phases:
    def __init__(
        self,
        http: aiohttp.ClientSession,
        director: str,
        engine: _Engine,
        pids: dict[str, int],
        publishers: int,
    ) -> None:
        self._http = http
        self._director = director
        self._engine = engine
        self._pids = pids
        self._publishers = publishers
        self._found = Findings()

    async def run(self, away_s: float) -> Findings:
        await self._until(lambda nodes: self._sessions(nodes) == self._publishers)
        await asyncio.sleep(START_S)
        self._begin("steady")
        await asyncio.sleep(STEADY_S)
        phase = self._begin("drain")
        drained, phase.moved = await self._fullest()
        began = time.monotonic()
        await self._drain(drained, on=True)
        await self._until(
            lambda nodes: (
                nodes[drained]["sessions"] == 0 and self._sessions(nodes) == self._publishers
            )
        )
        self._found.drain_s = time.monotonic() - began
        await self._drain(drained, on=False)
        await asyncio.sleep(AFTER_S)
        self._begin("engine away")
        await self._engine.kill()
        await asyncio.sleep(away_s / 2)
        self._found.newcomer_s = await self._newcomer()
        await asyncio.sleep(away_s / 2)
        await self._engine.start()
        began = time.monotonic()
        await self._until(lambda nodes: all(each["state"] == "fresh" for each in nodes.values()))
        self._found.view_s = time.monotonic() - began
        phase = self._begin("node lost")
        lost, phase.moved = await self._fullest()
        os.kill(self._pids[lost], signal.SIGKILL)
        await self._until(lambda nodes: nodes[lost]["state"] == "gone")
        await asyncio.sleep(AFTER_S)
        self._found.phases[-1].until_ms = 1000.0 * time.time()
        return self._found

    def _begin(self, name: str) -> Phase:
        now_ms = 1000.0 * time.time()
        if self._found.phases:
            self._found.phases[-1].until_ms = now_ms
        self._found.phases.append(Phase(name, now_ms))
        print(f"{name} ...", file=sys.stderr, flush=True)
        return self._found.phases[-1]

    async def _nodes(self) -> Nodes:
        async with self._http.get(urljoin(self._director, "api/nodes")) as response:
            found = await response.json()
        return {each["node"]: each for each in found["nodes"]}

    @staticmethod
    def _sessions(nodes: Nodes) -> int:
        return sum(each["sessions"] for each in nodes.values() if each["state"] != "gone")

    async def _fullest(self) -> tuple[str, int]:
        """The node with the most sessions, and their number."""
        nodes = await self._nodes()
        name = max(nodes, key=lambda each: nodes[each]["sessions"])
        return name, nodes[name]["sessions"]

    async def _until(self, holds: Callable[[Nodes], bool]) -> None:
        until_s = time.monotonic() + READY_S
        while True:
            nodes = await self._nodes()
            if len(nodes) == len(self._pids) and holds(nodes):
                return
            if time.monotonic() > until_s:
                raise MeasurementError(f"not within {READY_S:g} s: {nodes}")
            await asyncio.sleep(_LOOK_S)

    async def _drain(self, node: str, *, on: bool) -> None:
        url = urljoin(self._director, f"api/nodes/{node}/drain")
        async with self._http.post(url, json={"on": on}) as response:
            if response.status != 200:
                raise MeasurementError(f"{url}: {response.status}: {await response.text()}")

    async def _newcomer(self) -> float | None:
        """Seconds from a POST to its 201; None if it is refused."""
        headers = {"Content-Type": "application/sdp"}
        body, url = await offer(), urljoin(self._director, "whip")
        began = time.monotonic()
        async with self._http.post(url, data=body, headers=headers) as response:
            if response.status != 201:
                return None
            took_s = time.monotonic() - began
        async with self._http.delete(urljoin(url, response.headers["Location"])):
            return took_s


def _count(found: Findings, publishers: list[dict[str, Any]]) -> None:
    """Each session's frames to its phase, but those of its start."""
    for publisher in publishers:
        frames = publisher["frames"]
        if not frames:
            continue
        first_ms, last_ms = frames[0]["captured_ms"], frames[-1]["captured_ms"]
        for phase in found.phases:
            moved = phase.since_ms <= last_ms < phase.until_ms - 1000.0
            for frame in frames:
                at_ms = frame["captured_ms"]
                if not phase.since_ms <= at_ms < phase.until_ms or frame["outcome"] is None:
                    continue
                if at_ms - first_ms < 1000.0 * START_S:
                    continue
                missed = frame["outcome"] != "in_time"
                if moved:
                    phase.moved_frames += 1
                    phase.moved_missed += missed
                else:
                    phase.frames += 1
                    phase.missed += missed
