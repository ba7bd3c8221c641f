"""A coturn of the test's own, where it is installed."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

SECRET = "north of the river"
coturn = pytest.mark.skipif(
    shutil.which("turnserver") is None, reason="coturn is missing: install `coturn`"
)


ATTEMPTS = 3


@asynccontextmanager
async def turnserver(folder: Path) -> AsyncIterator[str]:
    """A private coturn on loopback; yields its URL.

    Another program may take the port between its choice and its use: then another is chosen.
    """
    for attempt in range(ATTEMPTS):
        port = free_port("127.0.0.1")
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
            try:
                await listening("127.0.0.1", port)
            except TimeoutError:
                if attempt + 1 == ATTEMPTS:
                    raise
                continue
            yield f"turn:127.0.0.1:{port}"
            return
        finally:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            await process.wait()
            await reading


def free_port(host: str) -> int:
    """A port of this host that is free for UDP and TCP, as coturn listens on both."""
    while True:
        with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            stream.bind((host, 0))
            port: int = stream.getsockname()[1]
            with suppress(OSError):
                datagrams.bind((host, port))
                return port


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
