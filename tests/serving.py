"""A server in the test's own process, with a simulated device unless a test wants another."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import av
import numpy as np

from edge.config import load
from edge.profile.latency import LatencyEntry, LatencyProfile
from edge.profile.latency_file import save_latency_profile
from edge.profile.variant import LONG_SIDES, Variant
from edge.server import Server
from edge.session.session import Session


@functools.cache
def simulated(times: float = 1.0, networks: tuple[str, ...] = ("yolov4-tiny",)) -> str:
    """A simulated device: every network at every edge, 2 to 10 ms a picture, batches pay a little;
    or `times` as long."""
    entries = [
        LatencyEntry(
            Variant(network, long_side).name,
            long_side,
            long_side,
            batch,
            p50_ms=ms,
            p99_ms=1.3 * ms,
        )
        for network in networks
        for long_side in LONG_SIDES
        for batch in (1, 2, 4, 8)
        for ms in [times * (1.0 + 9.0 * (long_side / LONG_SIDES[-1]) ** 2) * (0.3 + 0.7 * batch)]
    ]
    folder = tempfile.mkdtemp(prefix="edge-tests-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = Path(folder) / "simulated.json"
    save_latency_profile(
        LatencyProfile(entries, device="simulated", machine="none: for tests"), path
    )
    return f"sim:{path}"


@asynccontextmanager
async def serving(**settings: Any) -> AsyncIterator[Server]:
    """A started server on a free port of loopback, over plain HTTP; stopped afterwards."""
    defaults: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": 0,
        "http": True,
        "admin_loopback": True,
        "admission": False,  # a busy machine may have no room for one publisher more
        "max_requests_per_s": 10_000,  # all of a test's clients are one address
        "device": [simulated()],
        "ingest": 0,  # so that tests can look into sessions; with processes: tests/ingest
    }
    server = Server(load(**{**defaults, **settings}), on_progress=lambda text: None)
    try:
        await server.start()
        yield server
    finally:
        await server.stop()


def base(server: Server) -> str:
    """The server's URL without the slash at its end."""
    return server.url.rstrip("/")


def local(server: Server) -> list[Session]:
    """The sessions of a server that holds them in its own process."""
    return [session for session in server.sessions if isinstance(session, Session)]


def noise(width: int, height: int, count: int = 3) -> list[av.VideoFrame]:
    """Frames that no encoder can make nothing of."""
    rng = np.random.default_rng(width + height)
    frames = []
    for _ in range(count):
        small = rng.integers(0, 256, (max(1, height // 16), max(1, width // 16), 3), dtype=np.uint8)
        large = np.kron(small, np.ones((17, 17, 1), dtype=np.uint8))[:height, :width]
        image = np.zeros((height, width, 3), dtype=np.uint8)
        image[: large.shape[0], : large.shape[1]] = large
        frames.append(av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p"))
    return frames


async def error_of(response: aiohttp.ClientResponse) -> dict[str, str]:
    """A refusal's code and message."""
    body = await response.json()
    assert set(body["error"]) == {"code", "message"}
    return dict(body["error"])
