"""A real server in a process of its own, and the resources that its processes use."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from analysis.bench.report import MeasurementError
from edge.ipc.parent_watch import terminate_with_parent
from edge.profile.latency import LatencyEntry, LatencyProfile
from edge.profile.latency_file import save_latency_profile
from edge.profile.variant import LONG_SIDES, Variant

_START_S = 120.0
_STOP_S = 15.0
_TICKS = os.sysconf("SC_CLK_TCK")


def simulated_device(folder: Path) -> str:
    """Writes a simulated device's profile and returns the device's name: YOLOv4-tiny at every long
    side, 2 to 10 ms a picture, a little less in batches."""
    entries = [
        LatencyEntry(
            Variant("yolov4-tiny", long_side).name,
            long_side,
            long_side,
            batch,
            p50_ms=ms,
            p99_ms=1.3 * ms,
        )
        for long_side in LONG_SIDES
        for batch in (1, 2, 4, 8)
        for ms in [(1.0 + 9.0 * (long_side / LONG_SIDES[-1]) ** 2) * (0.3 + 0.7 * batch)]
    ]
    path = folder / "simulated.json"
    save_latency_profile(
        LatencyProfile(entries, device="simulated", machine="none: for benchmarks"), path
    )
    return f"sim:{path}"


@asynccontextmanager
async def serving(device: str, ingest: int, **more: str) -> AsyncIterator[tuple[int, str]]:
    """(process id, URL) of a server on a free port of the loopback, which ends with the context.

    `more` are settings, by their names in the environment. Raises MeasurementError if the server
    does not start.
    """
    settings = ["--http", "--host", "127.0.0.1", "--port", "0", "--ingest", str(ingest)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "edge", "serve", *settings, "--device", device,
        stdout=PIPE, stderr=DEVNULL, cwd=Path(__file__).parents[2],
        env={**os.environ, "EDGE_ADMIN_LOOPBACK": "true", **more},  # for the counts of /healthz
        preexec_fn=terminate_with_parent,  # also if this process is killed
    )  # fmt: skip
    try:
        assert process.stdout is not None
        async with asyncio.timeout(_START_S):
            line = (await process.stdout.readline()).decode()
        found = re.match(r"Serving at (\S+)", line)
        if found is None:
            raise MeasurementError("the server did not start")
        yield process.pid, found[1]
    finally:
        await _end(process)


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(_STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def process_family(pid: int) -> dict[str, list[int]]:
    """Ids of a server's processes by kind: "server", "ingest", "workers", "solver"."""
    found = {"server": [pid]}
    for task in os.listdir(f"/proc/{pid}/task"):
        for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split():
            words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            names = [word[5:].decode() for word in words if word.startswith(b"edge.")]
            found.setdefault(names[0] if names else "solver", []).append(int(child))
    return found


def cpu_by_process(family: dict[str, list[int]]) -> dict[str, float]:
    """Processor time that each kind of a server's processes has used so far, in seconds; a process
    that has ended has used none."""
    used = {}
    for name, pids in family.items():
        used[name] = 0.0
        for pid in pids:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                used[name] += cpu_s(pid)
    return used


def cpu_s(pid: int) -> float:
    """Processor time that a process has used so far, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def rss_mb(pid: int) -> float:
    """A process' resident memory in MB."""
    found = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found[1]) / 1024.0 if found else 0.0
