"""Pools of one device for the tests, and their processes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from edge.workers.options import WorkerOptions
from edge.workers.pool import WorkerPool
from tests.workers.recorder import FAST, Recorder

FOREVER_MS = 600_000.0


def make(
    recorder: Recorder,
    device: str,
    options: WorkerOptions,
    *,
    slots: int = 16,
    max_pixels: int = 2**20,
) -> WorkerPool:
    return WorkerPool(
        [device],
        ["yolov4-tiny"],
        on_done=recorder.on_done,
        on_state=recorder.on_state,
        on_progress=recorder.on_progress,
        slots=slots,
        max_pixels=max_pixels,
        options=options,
    )


@asynccontextmanager
async def running(
    recorder: Recorder,
    device: str,
    options: WorkerOptions | None = None,
    *,
    slots: int = 16,
    max_pixels: int = 2**20,
) -> AsyncIterator[WorkerPool]:
    pool = make(
        recorder,
        device,
        options or WorkerOptions(supervision=FAST),
        slots=slots,
        max_pixels=max_pixels,
    )
    await pool.start()
    try:
        yield pool
    finally:
        await pool.stop()


def pid_of(pool: WorkerPool) -> int:
    pid = pool.status[0].pid
    assert pid is not None
    return pid


def exists(pid: int) -> bool:
    """Whether a child of ours is still there, be it only to be reaped."""
    return pid in children()


def children() -> list[int]:
    """Workers of this process; other tests' helpers are none of them."""
    return [
        int(pid)
        for task in Path("/proc/self/task").iterdir()
        for pid in (task / "children").read_text().split()
        if b"edge.workers" in Path("/proc", pid, "cmdline").read_bytes()
    ]
