"""Directors and nodes as processes of their own, as an operator starts them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from edge.ipc.parent_watch import terminate_with_parent
from tests.serving import simulated

ROOT = Path(__file__).parents[2]
START_S = 120.0
_ENDS = re.compile(rb"^(Serving|Directing) at (\S+)", re.M)


class Program:
    """`python -m edge ...`; its output is kept, and can be waited for."""

    def __init__(self, arguments: tuple[str, ...], environment: Mapping[str, str]) -> None:
        self._arguments = arguments
        self._environment = environment
        self._arrived = asyncio.Condition()
        self.output = b""
        self.url = ""
        self.process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def start(self, *, wait: bool = True) -> None:
        """Returns once it serves, if that is to be waited for."""
        self.output = b""
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "edge", *self._arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=ROOT,
            env={**os.environ, **self._environment},
            preexec_fn=terminate_with_parent,
        )
        self._reading = asyncio.create_task(self._read(self.process))
        if wait:
            await self.says(_ENDS)
            found = _ENDS.search(self.output)
            assert found is not None
            self.url = found[2].decode().replace("localhost", "127.0.0.1")

    async def says(self, wanted: re.Pattern[bytes] | bytes, timeout: float = START_S) -> bytes:
        """Until a line matches; all of its output."""
        pattern = re.compile(wanted) if isinstance(wanted, bytes) else wanted
        try:
            async with asyncio.timeout(timeout), self._arrived:
                await self._arrived.wait_for(lambda: pattern.search(self.output))
        except TimeoutError:
            raise TimeoutError(f"no {pattern.pattern!r} in {self.output.decode()}") from None
        return self.output

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def ended(self, timeout: float = 60.0) -> int:
        """By itself; its exit status."""
        assert self.process is not None
        async with asyncio.timeout(timeout):
            return await self.process.wait()

    async def end(self, by: signal.Signals = signal.SIGTERM) -> int:
        """Its exit status."""
        assert self.process is not None
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGCONT)
                self.process.send_signal(by)
            try:
                async with asyncio.timeout(30):
                    await self.process.wait()
            except TimeoutError:
                self.process.kill()
                await self.process.wait()
        if self._reading is not None:
            self._reading.cancel()
        assert self.process.returncode is not None
        return self.process.returncode

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while chunk := await process.stdout.read(65_536):
            async with self._arrived:
                self.output += chunk
                self._arrived.notify_all()


def node(engine_url: str, data: Path, *more: str, **settings: str) -> Program:
    """A server with a simulated device."""
    arguments = ("serve", "--http", "--host", "127.0.0.1", "--port", "0", "--ingest", "0")
    environment = {
        "EDGE_DATA": str(data),
        "EDGE_ADMISSION": "false",  # a busy machine may have no room for one publisher more
        "EDGE_MAX_REQUESTS_PER_S": "10000",
        **settings,
    }
    return Program((*arguments, "--device", simulated(), "--fleet", engine_url, *more), environment)


def director(data: Path, *more: str, port: int = 0, **settings: str) -> Program:
    arguments = ("direct", "--http", "--host", "127.0.0.1", "--port", str(port))
    environment = {"EDGE_DATA": str(data), "EDGE_MAX_REQUESTS_PER_S": "10000", **settings}
    return Program((*arguments, *more), environment)


@asynccontextmanager
async def running(*programs: Program) -> AsyncIterator[None]:
    """They run, all started at once, and are ended afterwards."""
    try:
        await asyncio.gather(*(program.start() for program in programs))
        yield
    finally:
        started = [program for program in programs if program.process is not None]
        await asyncio.gather(*(program.end() for program in started))


async def status(url: str, method: str = "GET") -> int:
    async with aiohttp.ClientSession() as http, http.request(method, url) as response:
        await response.read()
        return response.status


async def becomes(url: str, wanted: int, timeout: float = 60.0) -> None:
    """Until a GET has that status."""
    found = 0
    try:
        async with asyncio.timeout(timeout):
            while found != wanted:
                try:
                    found = await status(url)
                except aiohttp.ClientError:
                    found = 0
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise TimeoutError(f"{url}: {found}, not {wanted}") from None
