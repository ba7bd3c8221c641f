"""The device under measurement: a real worker process, fed as the server feeds it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from edge.assets import samples
from edge.ipc.picture import Picture
from edge.profile.latency import LatencyEntry, LatencyProfile
from edge.profile.variant import LONG_SIDES
from edge.workers import BatchFailure, BatchResult, WorkerOptions, WorkerPool
from profiles.latency_measurement import LatencyCase, Run

_FRAMES_A_SECOND = 1  # of the sample video, ten in all: no batch is one picture repeated
_PATIENCE_MS = 3_000.0  # times the pool's own factor of 20: a batch of that length is a hang
_GPU_WARM_UP_S = 3_600.0  # no limit: a batch without its graph would not be what is served


class BatchFailedError(RuntimeError):
    """The worker could not run a batch; the message says which and why."""


@asynccontextmanager
async def measured_device(
    device: str,
    network: str,
    cases: Sequence[LatencyCase],
    shapes: Sequence[tuple[int, int]],
    *,
    weights: Path | None = None,
    on_progress: Callable[[str], None],
) -> AsyncIterator[tuple[str, Run]]:
    """The device's description, and what runs a batch of `cases` on it; then the worker ends.

    A GPU is warmed up for all cases first, as in a server: its graphs are recorded then. Raises
    `edge.workers.WorkerError` if the worker can't be started, ValueError for a device's bad name.
    """
    outcomes: asyncio.Queue[BatchResult | BatchFailure] = asyncio.Queue(maxsize=1)
    frames = [_rgb(frame) for frame in samples.pictures(samples.street_video(), _FRAMES_A_SECOND)]
    pictures: dict[tuple[int, int], list[Picture]] = {}
    biggest = max(case.batch for case in cases)
    long_side = LONG_SIDES[-1]
    patient = LatencyEntry(
        f"{network}-{long_side}", long_side, long_side, biggest, _PATIENCE_MS, _PATIENCE_MS
    )
    is_gpu = device.startswith("cuda")
    pool = WorkerPool(
        [device],
        [network],
        on_done=lambda _device, _batch_id, outcome: outcomes.put_nowait(outcome),
        on_state=lambda _device, _state: None,
        on_progress=lambda _device, _done, _total, text: on_progress(text),
        slots=biggest,
        max_pixels=long_side * long_side,
        # A known profile: otherwise the pool would measure one itself while it starts.
        profiles=[None if device.startswith("sim:") else LatencyProfile([patient])],
        options=WorkerOptions(
            variants=tuple(dict.fromkeys(case.variant for case in cases)),
            shapes=tuple(shapes),
            batches=tuple(sorted({case.batch for case in cases})),
            warmup_s=_GPU_WARM_UP_S if is_gpu else 0.0,
            weights={} if weights is None else {network: weights},
        ),
    )

    async def run(case: LatencyCase) -> float:
        of_size = pictures.get(case.picture)
        if of_size is None:
            of_size = pictures[case.picture] = [_cut(frame, *case.picture) for frame in frames]
        batch = [of_size[index % len(of_size)] for index in range(case.batch)]
        started = time.perf_counter()
        pool.submit(0, 0, case.variant, batch)
        outcome = await outcomes.get()
        taken_ms = (time.perf_counter() - started) * 1000.0
        if isinstance(outcome, BatchFailure):
            raise BatchFailedError(f"{case.variant}, a batch of {case.batch}: {outcome.message}")
        return taken_ms

    await pool.start()
    try:
        yield pool.status[0].description, run
    finally:
        await pool.stop()


def _rgb(frame: av.VideoFrame) -> npt.NDArray[np.uint8]:
    return np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)


def _cut(rgb: npt.NDArray[np.uint8], width: int, height: int) -> Picture:
    """The middle of a picture, in another shape and size."""
    source_height, source_width = rgb.shape[:2]
    scale = min(source_width / width, source_height / height)
    columns, rows = round(width * scale), round(height * scale)
    left, top = (source_width - columns) // 2, (source_height - rows) // 2
    part = rgb[top : top + rows, left : left + columns]
    scaled = cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR)
    return Picture.from_rgb(np.asarray(scaled, dtype=np.uint8))
