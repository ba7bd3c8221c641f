"""Pictures handed to a worker through shared memory, and to another process by pickling."""

from __future__ import annotations

import asyncio
import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import numpy.typing as npt

from analysis.bench.report import MeasurementError
from edge.ipc.picture import Picture
from edge.profile.latency import LatencyEntry, LatencyProfile
from edge.profile.latency_file import save_latency_profile
from edge.workers.handle import BatchFailure, BatchResult
from edge.workers.pool import WorkerPool
from edge.workers.simulated import made_up_boxes

SIZES = ((416, 234), (608, 342), (1280, 720), (1920, 1080))
_VARIANT = "yolov4-tiny-416"
_NO_TIME_MS = 1e-3  # the simulated device answers at once

Times = npt.NDArray[np.float64]


async def measure(rounds: int) -> dict[str, dict[str, float]]:
    """Figures by picture size: quantiles in ms, and the ratio of the medians."""
    answers: asyncio.Queue[BatchResult | BatchFailure] = asyncio.Queue(maxsize=1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "no-time.json"
        save_latency_profile(
            LatencyProfile([LatencyEntry(_VARIANT, 416, 256, 1, _NO_TIME_MS, _NO_TIME_MS)]), path
        )
        pool = WorkerPool(
            [f"sim:{path}"],
            ["yolov4-tiny"],
            on_done=lambda _device, _batch_id, outcome: answers.put_nowait(outcome),
            on_state=lambda _device, _state: None,
        )
        await pool.start()
        try:
            with _pickling_worker() as connection:
                return {
                    f"{width}x{height}": await _measure_picture(
                        pool, answers, connection, _noise(width, height), rounds
                    )
                    for width, height in SIZES
                }
        finally:
            await pool.stop()


async def _measure_picture(
    pool: WorkerPool,
    answers: asyncio.Queue[BatchResult | BatchFailure],
    connection: Connection,
    picture: Picture,
    rounds: int,
) -> dict[str, float]:
    times: Times = np.empty((rounds, 3))
    buffer = memoryview(bytearray(picture.nbytes))
    for number in range(rounds):
        started = time.perf_counter()
        pool.submit(0, number, _VARIANT, [picture])
        outcome = await answers.get()
        ended = time.perf_counter()
        if isinstance(outcome, BatchFailure):
            raise MeasurementError(outcome.message)
        shared_ms = (ended - started) * 1000.0 - (outcome.ended_ms - outcome.started_ms)
        started = time.perf_counter()
        connection.send(picture)
        _, work_ms = connection.recv()
        pickled_ms = (time.perf_counter() - started) * 1000.0 - work_ms
        started = time.perf_counter()
        picture.write_into(buffer)
        times[number] = shared_ms, pickled_ms, (time.perf_counter() - started) * 1000.0
    warm = times[rounds // 10 :]  # without the first rounds, which touch fresh memory
    (p50_ms, pickled_p50_ms, copy_p50_ms), (p99_ms, pickled_p99_ms, _) = np.quantile(
        warm, [0.5, 0.99], axis=0
    ).tolist()
    return {
        "copy_p50_ms": copy_p50_ms,
        "p50_ms": p50_ms,
        "p99_ms": p99_ms,
        "pickled_p50_ms": pickled_p50_ms,
        "pickled_p99_ms": pickled_p99_ms,
        "ratio": pickled_p50_ms / p50_ms,
    }


def _noise(width: int, height: int) -> Picture:
    random = np.random.default_rng(0)
    return Picture.from_rgb(random.integers(0, 256, (height, width, 3), np.uint8))


@contextmanager
def _pickling_worker() -> Iterator[Connection]:
    """A process that does the simulated device's work on pictures pickled through a pipe."""
    context = multiprocessing.get_context("spawn")
    near, far = context.Pipe()
    process = context.Process(target=_serve_pickled, args=(far,), daemon=True)
    process.start()
    far.close()
    try:
        near.send(None)
        near.recv()
        yield near
    finally:
        near.close()
        process.join()


def _serve_pickled(connection: Connection) -> None:
    while True:
        try:
            picture = connection.recv()
        except EOFError:
            return
        started = time.perf_counter()
        boxes = [] if picture is None else made_up_boxes(picture)
        connection.send((boxes, (time.perf_counter() - started) * 1000.0))
