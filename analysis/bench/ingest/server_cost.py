"""The cost of a frame in the complete server, by process."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path

from analysis.bench.edge_server import cpu_s, process_family, serving, simulated_device
from analysis.bench.ingest.processes import SETTLE_S, publishing


@dataclass(frozen=True, slots=True)
class ServerCost:
    """Processor time a frame in ms, by process: "server", "ingest", "solver"; the simulated
    worker is left out."""

    ingest: int
    streams: int
    frames: int
    cpu_ms: dict[str, float]


async def measure(ingest: int, streams: int, seconds: float) -> ServerCost:
    """A real `edge serve --ingest N` on a simulated device."""
    with tempfile.TemporaryDirectory(prefix="edge-bench-") as folder:
        device = simulated_device(Path(folder))
        settings = {"EDGE_ADMISSION": "false", "EDGE_MAX_SESSIONS": str(max(64, streams))}
        async with (
            serving(device, ingest, **settings) as (pid, url),
            publishing(url) as publishers,
        ):
            await publishers.line(str(streams))
            await asyncio.sleep(SETTLE_S)
            await publishers.take()
            before = _used(pid)
            await asyncio.sleep(seconds)  # the length of the measurement
            after = _used(pid)
            frames = sum(len(times) for times in (await publishers.take()).values())
    cpu_ms = {name: 1000.0 * (after[name] - before[name]) / frames for name in before}
    return ServerCost(ingest, streams, frames, cpu_ms)


def _used(pid: int) -> dict[str, float]:
    return {
        name: sum(map(cpu_s, pids))
        for name, pids in process_family(pid).items()
        if name != "workers"
    }
