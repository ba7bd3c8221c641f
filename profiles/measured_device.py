"""The device under measurement: a real worker process, used as the server uses it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from edge.assets import samples
from edge.ipc.picture import Picture
from edge.profile.latency import LatencyEntry, LatencyProfile
from edge.profile.variant import LONG_SIDES
from edge.workers.handle import BatchFailure, BatchResult
from edge.workers.options import WorkerOptions
from edge.workers.pool import WorkerPool, WorkerStatus
from profiles.latency_measurement import LatencyCase, Run

_FRAMES_A_SECOND = 1  # of the sample video, ten in all, so that a batch has different pictures
_TYPICAL_MS = 3_000.0  # assumed latency: the pool treats 20 times that as a hang
_GPU_WARM_UP_S = 3_600.0  # ample: every batch must have its graph, as when serving


class BatchFailedError(RuntimeError):
    """The worker failed to run a batch; the message names it and the reason."""


@dataclass(frozen=True, slots=True)
class MeasuredDevice:
    """A started worker: `run` runs a batch on it, `status` says how it is."""

    run: Run
    status: Callable[[], WorkerStatus]

    @property
    def description(self) -> str:
        """The device in words."""
        return self.status().description


@asynccontextmanager
async def measured_device(
    device: str,
    network: str,
    cases: Sequence[LatencyCase],
    shapes: Sequence[tuple[int, int]],
    *,
    weights: Path | None = None,
    on_progress: Callable[[str], None],
) -> AsyncIterator[MeasuredDevice]:
    """A worker on the device, which runs batches of `cases`.

    A GPU is first warmed up for all cases, as in a server, which records its graphs. Raises
    `edge.workers.WorkerError` if the worker cannot be started, ValueError for an unknown device.
    """
    outcomes: asyncio.Queue[BatchResult | BatchFailure] = asyncio.Queue(maxsize=1)
    frames = [_rgb(frame) for frame in samples.pictures(samples.street_video(), _FRAMES_A_SECOND)]
    pictures: dict[tuple[int, int], list[Picture]] = {}
    biggest = max(case.batch for case in cases)
    long_side = LONG_SIDES[-1]
    assumed = LatencyEntry(
        f"{network}-{long_side}", long_side, long_side, biggest, _TYPICAL_MS, _TYPICAL_MS
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
        # With a profile, the pool does not measure one itself at its start.
        profiles=[None if device.startswith("sim:") else LatencyProfile([assumed])],
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
        yield MeasuredDevice(run, lambda: pool.status[0])
    finally:
        await pool.stop()


def _rgb(frame: av.VideoFrame) -> npt.NDArray[np.uint8]:
    return np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)


def _cut(rgb: npt.NDArray[np.uint8], width: int, height: int) -> Picture:
    """The middle of a picture, scaled to a size of another shape."""
    source_height, source_width = rgb.shape[:2]
    scale = min(source_width / width, source_height / height)
    columns, rows = round(width * scale), round(height * scale)
    left, top = (source_width - columns) // 2, (source_height - rows) // 2
    part = rgb[top : top + rows, left : left + columns]
    scaled = cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR)
    return Picture.from_rgb(np.asarray(scaled, dtype=np.uint8))
