"""A coturn of the test's own, where it is installed."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from edge.ipc.parent_watch import terminate_with_parent
from tests.free_port import free_port

SECRET = "north of the river"
coturn = pytest.mark.skipif(
    shutil.which("turnserver") is None, reason="coturn is missing: install `coturn`"
)


@asynccontextmanager
async def turnserver(folder: Path) -> AsyncIterator[str]:
    """A private coturn on loopback; yields its URL."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        "turnserver",
        *("-n", "--no-cli", "--no-tls", "--no-dtls", "--allow-loopback-peers"),
        *("--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1"),
        *("--listening-port", str(port), "--realm", "edge.test"),
        *("--use-auth-secret", "--static-auth-secret", SECRET),
        *("--userdb", str(folder / "users.db"), "--pidfile", str(folder / "turn.pid")),
        *("--log-file", "stdout"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        preexec_fn=terminate_with_parent,
    )
    assert process.stdout is not None
    reading = asyncio.create_task(drain(process.stdout))
    try:
        await listening("127.0.0.1", port)
        yield f"turn:127.0.0.1:{port}"
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        await process.wait()
        await reading


async def drain(stream: asyncio.StreamReader) -> None:
    """Print what it writes until it ends, so that a test that fails shows it."""
    while line := await stream.readline():
        print(line.decode(errors="replace"), end="")


async def listening(host: str, port: int) -> None:
    """Until it answers on TCP, where it listens as well."""
    async with asyncio.timeout(60):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, port)
            except OSError:
                await asyncio.sleep(0.05)  # a program of others tells nobody that it is ready
            else:
                writer.close()
                return
