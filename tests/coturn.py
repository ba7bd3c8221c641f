"""A coturn of the test's own, where it is installed."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

SECRET = "north of the river"
coturn = pytest.mark.skipif(
    shutil.which("turnserver") is None, reason="coturn is missing: install `coturn`"
)


@asynccontextmanager
async def turnserver(folder: Path) -> AsyncIterator[str]:
    """A private coturn on loopback; yields its URL."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
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
    )
    assert process.stdout is not None
    reading = asyncio.create_task(drain(process.stdout))
    try:
        await listening("127.0.0.1", port)
        yield f"turn:127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()
        await reading


async def drain(stream: asyncio.StreamReader) -> None:
    """Read what it writes, until it ends."""
    while await stream.readline():
        pass


async def listening(host: str, port: int) -> None:
    """Until it answers on TCP, where it listens as well."""
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, port)
            except OSError:
                await asyncio.sleep(0.05)  # a program of others tells nobody that it is ready
            else:
                writer.close()
                return
