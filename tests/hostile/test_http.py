"""Slow connections by the hundred: the server answers others, and its log stays short."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.publisher import publishing
from tests.serving import noise, simulated

pytestmark = pytest.mark.hostile

UNFINISHED = b"POST /whip HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nv=0"


@contextmanager
def _server(descriptors: int, log: Path) -> Iterator[str]:
    """A server that may have `descriptors` open; its URL. What it logs is in `log`."""

    limited = ["bash", "-c", 'ulimit -n "$0"; exec "$@"', str(descriptors)]
    command = [sys.executable, "-m", "edge", "serve", "--http", "--host", "0.0.0.0", "--port", "0"]
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [*limited, *command, "--device", simulated()],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, "EDGE_DATA": str(log.parent)},
        ) as process,
    ):
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            port = first.rstrip("/\n").rsplit(":", 1)[1]
            yield f"http://127.0.0.1:{port}"
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 0
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("count", "addresses", "descriptors"), [(300, 1, 256), (300, 8, 256), (500, 1, 4096)]
)
async def test_slow_connections_keep_nobody_out(
    tmp_path: Path, count: int, addresses: int, descriptors: int
) -> None:
    log = tmp_path / "edge.log"
    with _server(descriptors, log) as url:
        port = int(url.rsplit(":", 1)[1])
        writers = []
        for number in range(count):
            source = f"127.0.1.{1 + number % addresses}"
            _, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
            writer.write(UNFINISHED[: 1 + number % len(UNFINISHED)])
            writers.append(writer)
        async with aiohttp.ClientSession() as http, asyncio.timeout(60):
            await _healthy(http, url)
        async with publishing(url, noise(320, 192)) as me:
            await me.wait_for_type("detections")
        for writer in writers:
            writer.close()
    lines = log.read_text().splitlines()
    assert len(lines) < 100
    assert any("connections_refused" in line for line in lines)
    assert not any("Traceback" in line or "Too many open files" in line for line in lines)


async def _healthy(http: aiohttp.ClientSession, url: str) -> None:
    """Wait until /healthz is answered with 200."""
    while True:
        try:
            async with http.get(f"{url}/healthz") as response:
                if response.status == 200:
                    return
        except aiohttp.ClientError:
            pass  # no room yet: the slow ones end within their deadlines
        await asyncio.sleep(0.2)
