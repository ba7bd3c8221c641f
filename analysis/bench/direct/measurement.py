"""Offers to a node, straight and by a director, in turn."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import shutil
import socket
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urljoin

import aiohttp
import numpy as np

from analysis.bench.edge_server import serving, simulated_device
from analysis.bench.report import MeasurementError
from edge.client.connection import SenderConnection
from edge.ipc.parent_watch import terminate_with_parent

READY_S = 120.0
WARM_UP = 10  # pairs that do not count
SEED = 17

Figures = dict[str, dict[str, float]]


async def measure(pairs: int) -> Figures:
    """Quantiles in ms: straight (`direct`), by the director (`proxied`), and of the differences
    within the pairs (`difference`). MeasurementError if there is no fleet to measure."""
    path = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin"
    if shutil.which("nats-server", path=path) is None:
        raise MeasurementError("nats-server is missing: install Debian's `nats-server`")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        device, fleet = simulated_device(Path(folder)), f"nats://127.0.0.1:{port}"
        settings = {"EDGE_DATA": folder, "EDGE_MAX_REQUESTS_PER_S": "10000"}
        node_settings = {"EDGE_FLEET": json.dumps({"servers": fleet}), "EDGE_ADMISSION": "false"}
        async with (
            directing(settings, "--fleet-listen", f"127.0.0.1:{port}") as director,
            serving(device, 0, **settings, **node_settings) as (_, node),
            aiohttp.ClientSession() as http,
        ):
            await _ready(http, director)
            body = await offer()
            chance = random.Random(SEED)
            times = []
            for _ in range(WARM_UP + pairs):
                ways = {"direct": node, "proxied": director}
                order = chance.sample(sorted(ways), 2)
                took = {way: await _publish(http, ways[way], body) for way in order}
                times.append((took["direct"], took["proxied"]))
    straight, proxied = np.array(times[WARM_UP:]).T
    return {
        "direct": _quantiles(straight),
        "proxied": _quantiles(proxied),
        "difference": _quantiles(proxied - straight),
    }


def _quantiles(times: np.ndarray[tuple[int], np.dtype[np.float64]]) -> dict[str, float]:
    p50, p90, p99 = np.quantile(times, (0.5, 0.9, 0.99))
    return {"p50_ms": float(p50), "p90_ms": float(p90), "p99_ms": float(p99)}


async def _publish(http: aiohttp.ClientSession, url: str, offer: str) -> float:
    """Milliseconds from the request to the whole response."""
    headers = {"Content-Type": "application/sdp"}
    began = time.perf_counter()
    async with http.post(urljoin(url, "whip"), data=offer, headers=headers) as response:
        answer = await response.text()
    took_ms = 1000.0 * (time.perf_counter() - began)
    if response.status != 201:
        raise MeasurementError(f"{url}: {response.status}: {answer}")
    async with http.delete(urljoin(url, response.headers["Location"])) as ended:
        await ended.read()
    return took_ms


async def offer() -> str:
    """A real publisher's, which is not going to connect."""
    connection = SenderConnection(
        on_rtcp=lambda packet: None,
        on_message=lambda label, text: None,
        on_open=lambda label: None,
        on_state=lambda state: None,
    )
    try:
        return await connection.offer()
    finally:
        await connection.close()


@asynccontextmanager
async def directing(settings: dict[str, str], *options: str) -> AsyncIterator[str]:
    """The URL of a director with these settings, by their names in the environment."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "edge", "direct", "--http", "--host", "127.0.0.1", "--port", "0"),
        *options,
        stdout=PIPE, stderr=DEVNULL, cwd=Path(__file__).parents[3],
        env={**os.environ, **settings},
        preexec_fn=terminate_with_parent,  # also if this process is killed
    )  # fmt: skip
    try:
        assert process.stdout is not None
        async with asyncio.timeout(READY_S):
            line = (await process.stdout.readline()).decode()
        found = re.match(r"Directing at (\S+)", line)
        if found is None:
            raise MeasurementError("the director did not start")
        yield found[1]
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _ready(http: aiohttp.ClientSession, director: str) -> None:
    """Until a node takes sessions."""
    until_s = time.monotonic() + READY_S
    while True:
        async with http.get(urljoin(director, "readyz")) as response:
            if response.status == 200:
                return
        if time.monotonic() > until_s:
            raise MeasurementError("no node has taken sessions")
        await asyncio.sleep(0.1)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port
