"""The attacked server: `python -m edge serve` of any checkout, observed from outside."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import http.client
import os
import re
import resource
import signal
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from edge.base.clock import now_ms
from tests.serving import simulated

PROBE_INTERVAL_S, PROBE_TIMEOUT_S = 0.05, 20.0
_START_S, _STOP_S = 90.0, 10.0
_PR_SET_PDEATHSIG = 1


def killed_with_parent(descriptors: int | None = None) -> Callable[[], None]:
    """For between fork and exec: SIGKILL once the parent has ended; at most so many descriptors.

    Not SIGTERM: a server whose loop is stuck might not heed it.
    """

    def prepare() -> None:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if descriptors is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

    return prepare


@dataclass(frozen=True)
class ServerProcess:
    """A running server; its log is a file."""

    url: str
    process: asyncio.subprocess.Process
    log: Path

    def log_lines(self) -> int:
        return self.log.read_bytes().count(b"\n")

    def resident_bytes(self) -> int:
        """Memory of the server and its child processes."""
        return sum(_resident_bytes(pid) for pid in _tree(self.process.pid))

    async def answers(self, timeout_s: float = 2.0) -> bool:
        """Whether it is there, and its health check answers."""
        if self.process.returncode is not None:
            return False
        return await asyncio.to_thread(health_ms, self.url, timeout_s) < 1000.0 * timeout_s


def health_ms(url: str, timeout_s: float) -> float:
    """How long a new connection and `/healthz` take; `timeout_s` where there is no answer."""
    address = urlsplit(url)
    assert address.hostname is not None
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=timeout_s)
    began_ms = now_ms()
    try:
        connection.request("GET", "/healthz")
        if connection.getresponse().status not in (200, 503):  # both are answers
            return 1000.0 * timeout_s
        return now_ms() - began_ms
    except (OSError, http.client.HTTPException):
        return 1000.0 * timeout_s
    finally:
        connection.close()


@contextmanager
def health_probe(url: str) -> Iterator[list[tuple[float, float]]]:
    """Asks every 50 ms from a thread; (time of the question, its answer's ms) as they come."""
    answers: list[tuple[float, float]] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            asked_ms = now_ms()
            answers.append((asked_ms, health_ms(url, PROBE_TIMEOUT_S)))
            time.sleep(max(0.0, PROBE_INTERVAL_S - (now_ms() - asked_ms) / 1000.0))

    thread = threading.Thread(target=ask, name="health probe", daemon=True)
    thread.start()
    try:
        yield answers
    finally:
        over.set()


@asynccontextmanager
async def server_process(
    checkout: Path, descriptors: int | None = None, settings: Mapping[str, str] | None = None
) -> AsyncIterator[ServerProcess]:
    """A server of that folder on a free port of loopback, with a simulated device; killed if it
    does not stop by itself. `settings` are variables of its environment."""
    python = checkout / ".venv/bin/python"
    command = [str(python) if python.exists() else sys.executable, "-m", "edge", "serve", "--http"]
    with tempfile.TemporaryDirectory(prefix="edge-hostile-") as folder:
        log = Path(folder) / "log"
        with log.open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                *(*command, "--host", "127.0.0.1", "--port", "0", "--device", simulated()),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                cwd=checkout,
                env={
                    **os.environ,
                    "EDGE_DATA": folder,
                    "EDGE_ADMIN_LOOPBACK": "true",
                    **(settings or {}),
                },
                preexec_fn=killed_with_parent(descriptors),
            )
        try:
            assert process.stdout is not None
            async with asyncio.timeout(_START_S):
                line = (await process.stdout.readline()).decode()
            match = re.match(r"Serving at (\S+)", line)
            assert match, log.read_text()[-4000:] or line
            yield ServerProcess(match[1], process, log)
        finally:
            await _stop(process)


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                await process.wait()
    if process.returncode is None:
        process.kill()
        await process.wait()


def _tree(pid: int) -> list[int]:
    found = [pid]
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += _tree(int(child))
    return found


def _resident_bytes(pid: int) -> int:
    with contextlib.suppress(OSError):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize()
    return 0
