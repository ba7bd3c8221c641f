"""Faults that end the server: it has to end in time, and the next start has to serve."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from edge.base.clock import now_ms
from tests.faults.hang import STUCK, stuck_at_signal
from tests.faults.stage import ROOT, FaultStage, seconds_since, stage
from tests.serving import simulated

STUCK_EXIT_S = 5.0
TEARS = (1, 3)  # files that are written, of four, before the process is killed

_KILLED_WHILE_WRITING = """
import datetime, os, signal, sys
from edge.api.access import local_ca

folder, written = local_ca.default_directory(), int(sys.argv[1])
now = datetime.datetime.now(datetime.UTC)
local_ca.ensure(folder, local_ca.lan_addresses(), now - datetime.timedelta(days=local_ca.CA_DAYS))
write, calls = local_ca.write_durably, []

def cut(path, data, mode):
    calls.append(path)
    if len(calls) <= written:
        return write(path, data, mode)
    path.with_suffix(f"{path.suffix}.part").write_bytes(data[: len(data) // 2])
    os.kill(os.getpid(), signal.SIGKILL)

local_ca.write_durably = cut
local_ca.ensure(folder, local_ca.lan_addresses(), now)  # all of it has expired
"""


@dataclass(frozen=True)
class Restart:
    """A fault that ends the server; `run` returns its recovery in seconds, and what is to be told
    of it. AssertionError where something else than time was promised, and not kept."""

    name: str
    promise_s: float
    run: Callable[[Path], Coroutine[Any, Any, tuple[float, str]]]


async def terminated(folder: Path) -> tuple[float, str]:
    """SIGTERM: publishers are notified, new ones refused, and the process ends by itself."""
    async with stage(folder, [simulated(), simulated()]) as at:
        began_ms = now_ms()
        await end(at)
        took_s = seconds_since(began_ms)
        missed = sum(
            sum(each.stats().dropped.values()) + each.stats().late for each in at.publishers
        )
    return took_s, f"frames dropped: {missed}"


async def end(at: FaultStage) -> None:
    """By SIGTERM, with a goodbye to each publisher."""
    at.process.send_signal(signal.SIGTERM)
    reasons = await asyncio.gather(*(each.ended() for each in at.publishers))
    assert all(reason.startswith("draining: ") for reason in reasons), reasons
    assert await at.process.wait() == 0


async def loop_stuck(folder: Path) -> tuple[float, str]:
    """The server's event loop is busy for ever: the process ends with its stacks and status 1, its
    processes with it, and the next one, as a service manager starts it, serves at the same port.
    Its recovery ends with the process."""
    environment = {"EDGE_STUCK_EXIT_S": str(STUCK_EXIT_S), **stuck_at_signal(folder)}
    async with stage(folder, [simulated()], environment=environment) as at:
        children = [*at.workers(), *at.ingests()]
        began_ms = now_ms()
        os.kill(at.pid, STUCK)
        async with asyncio.timeout(60):
            at.status = 1
            assert await at.process.wait() == at.status
            ended_s = seconds_since(began_ms)
            while any(Path(f"/proc/{pid}").exists() for pid in children):  # noqa: ASYNC110
                await asyncio.sleep(0.02)  # another process sends no event
        assert any("in stuck" in line for line in at.log_lines), "no stacks"
        port = str(urlsplit(at.url).port)
        async with stage(folder, [simulated()], "--port", port):  # its publishers are answered
            took_s = seconds_since(began_ms)
    return ended_s, f"served again after {took_s:.1f} s"


async def certificates_torn(folder: Path) -> tuple[float, str]:
    """SIGKILL while the local authority's expired files are made anew: the next start serves, with
    a certificate that its authority signed. The longest of the starts."""
    longest_s = 0.0
    for written in TEARS:
        data = folder / str(written)
        environment = {"EDGE_DATA": str(data)}
        killed = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", _KILLED_WHILE_WRITING, str(written)],
            env={**os.environ, **environment},
            cwd=ROOT,
            check=False,
        )
        assert killed.returncode == -signal.SIGKILL, killed.returncode
        began_ms = now_ms()
        async with stage(folder, [simulated()], clients=1, tls=True, environment=environment) as at:
            longest_s = max(longest_s, seconds_since(began_ms))
            [authority] = data.rglob("ca.crt")
            context = ssl.create_default_context(cafile=authority)
            async with (
                aiohttp.ClientSession() as http,
                http.get(f"{at.url}healthz", ssl=context) as response,
            ):
                assert response.status == 200
    return longest_s, f"killed after {' and '.join(map(str, TEARS))} of 4 files"


RESTARTS = [
    Restart("SIGTERM: two simulated devices", 5.0, terminated),
    Restart(f"event loop stuck (`stuck_exit_s` {STUCK_EXIT_S:g})", STUCK_EXIT_S + 2.0, loop_stuck),
    Restart("certificates torn (SIGKILL between two files): started", 30.0, certificates_torn),
]
