"""What it costs to hand a picture to a worker and get boxes back: shared memory against pickling.

Both ways reach a process that does the same work; the time that this work takes there is taken
off, so that only the handing over is left. Picture by picture, one way after the other.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from edge.ipc.picture import Picture
from edge.profile.latency import LatencyEntry, LatencyProfile
from edge.profile.latency_file import save_latency_profile
from edge.workers import BatchFailure, BatchResult, WorkerPool
from edge.workers.simulated import made_up_boxes

SIZES = ((416, 234), (608, 342), (1280, 720), (1920, 1080))
PROMISED_RATIO = 2.0  # pickled to shared, medians, at the largest picture

_VARIANT = "yolov4-tiny-416"
_NO_TIME_MS = 1e-3  # the simulated device looks at the picture and answers at once

Times = npt.NDArray[np.float64]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=1000, help="pictures a size (default 1000)")


def run(options: argparse.Namespace) -> int:
    """Exit status 0 if the largest picture is handed over PROMISED_RATIO times faster."""
    figures = asyncio.run(_measure(options.rounds))
    table = Table(title="handing a picture over and its boxes back, ms")
    for heading in ("picture", "copy p50", "shared p50", "p99", "pickled p50", "p99", "ratio"):
        table.add_column(heading, justify="right")
    for size, row in figures.items():
        table.add_row(size, *(f"{row[key]:.3f}" for key in _KEYS))
    Console(stderr=True).print(table)
    text = json.dumps({"handover": figures}, indent=2)
    if options.json is not None:
        options.json.write_text(text + "\n")
    size, row = list(figures.items())[-1]
    if row["ratio"] < PROMISED_RATIO:
        print(f"{size} is not {PROMISED_RATIO} times faster by shared memory", file=sys.stderr)
        return 1
    return 0


_KEYS = ("copy_p50_ms", "p50_ms", "p99_ms", "pickled_p50_ms", "pickled_p99_ms", "ratio")


async def _measure(rounds: int) -> dict[str, dict[str, float]]:
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
            raise RuntimeError(outcome.message)
        shared_ms = (ended - started) * 1000.0 - (outcome.ended_ms - outcome.started_ms)
        started = time.perf_counter()
        connection.send(picture)
        _, work_ms = connection.recv()
        pickled_ms = (time.perf_counter() - started) * 1000.0 - work_ms
        started = time.perf_counter()
        picture.write_into(buffer)
        times[number] = shared_ms, pickled_ms, (time.perf_counter() - started) * 1000.0
    warm = times[rounds // 10 :]  # the first rounds touch fresh memory
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
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve_pickled, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    try:
        ours.send(None)
        ours.recv()
        yield ours
    finally:
        ours.close()
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
