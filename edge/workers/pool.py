"""The server's workers, one process a device: pictures in, boxes out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from edge.ipc.picture import Packable
from edge.ipc.supervisor import ProcessState
from edge.profile.latency import LatencyProfile
from edge.workers.handle import MAX_SLOTS, BatchFailure, BatchResult, WorkerHandle
from edge.workers.messages import Memory
from edge.workers.options import WorkerOptions

DEFAULT_SLOTS = 16
DEFAULT_MAX_PIXELS = 1920 * 1088


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """A worker's status; `in_flight` counts batches, the other counters run since the start."""

    device: str
    description: str
    state: ProcessState
    pid: int | None
    in_flight: int
    batches: int
    failures: int
    restarts: int
    memory: Memory | None


class WorkerPool:
    """Workers for `devices`, all of `networks` on each.

    Devices: `cpu`, `cuda:N`, `sim:PROFILE.json` (simulated from a latency profile). All methods and
    callbacks belong to the event loop's thread. A batch that `submit` accepted ends in exactly one
    `on_done(device, batch_id, outcome)`; batches of a device end in the order they came.
    `on_state(device, state)` is called on each change; a lost worker's state comes before its
    batches' failures, and it is restarted with a growing delay until `stop`.

    Queues: `slots` pictures in flight a device; a batch for which too few are free is refused
    (NoFreeSlotError), to be dropped by the caller.
    """

    def __init__(
        self,
        devices: Sequence[str],
        networks: Sequence[str],
        *,
        on_done: Callable[[int, int, BatchResult | BatchFailure], None],
        on_state: Callable[[int, ProcessState], None],
        on_progress: Callable[[int, int, int, str], None] | None = None,
        slots: int = DEFAULT_SLOTS,
        max_pixels: int = DEFAULT_MAX_PIXELS,
        profiles: Sequence[LatencyProfile | None] | None = None,
        options: WorkerOptions | None = None,
    ) -> None:
        """`on_progress(device, done, total, text)` reports a start, `profiles` are of earlier runs.

        A device without a profile is measured while it first starts. ValueError for a device
        name, profile file or limit that can't be used.
        """
        if not devices:
            raise ValueError("at least one device is needed")
        if not 1 <= slots <= MAX_SLOTS:
            raise ValueError(f"1 to {MAX_SLOTS} slots, not {slots}")
        if max_pixels < 1:
            raise ValueError("max_pixels must be positive")
        measured = profiles if profiles is not None else [None] * len(devices)
        self._workers = [
            WorkerHandle(
                device,
                networks,
                profile,
                slots=slots,
                max_pixels=max_pixels,
                options=options or WorkerOptions(),
                on_done=partial(on_done, index),
                on_state=partial(on_state, index),
                on_progress=partial(on_progress or _no_progress, index),
            )
            for index, (device, profile) in enumerate(zip(devices, measured, strict=True))
        ]

    @property
    def profiles(self) -> list[LatencyProfile]:
        """Each device's profile, once `start` has ended; from then on the same objects.

        RuntimeError before: a device that is measured has none yet.
        """
        profiles = [worker.profile for worker in self._workers if worker.profile is not None]
        if len(profiles) < len(self._workers):
            raise RuntimeError("a device's profile is measured while it starts")
        return profiles

    @property
    def status(self) -> list[WorkerStatus]:
        return [
            WorkerStatus(
                device=worker.device,
                description=worker.description,
                state=worker.state,
                pid=worker.pid,
                in_flight=worker.in_flight,
                batches=worker.batches,
                failures=worker.failures,
                restarts=worker.restarts,
                memory=worker.memory,
            )
            for worker in self._workers
        ]

    async def start(self) -> None:
        """Start all workers and wait until they are warm.

        WorkerError, with the worker's own text, if one can't be: then all are stopped again.
        """
        try:
            await asyncio.gather(*(worker.start() for worker in self._workers))
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End every worker within 5 s; batches in flight may finish before."""
        await asyncio.gather(*(worker.stop() for worker in self._workers))

    def submit(
        self, device: int, batch_id: int, variant: str, pictures: Sequence[Packable]
    ) -> None:
        """Hand a batch, all of one input size, to a device's worker; copies the pictures.

        If it raises, no `on_done` follows: NoFreeSlotError when too few are free, NotReadyError
        (a NoFreeSlotError) when the worker isn't ready, PictureTooLargeError (a ValueError) when a
        picture exceeds `max_pixels`, ValueError for an unknown variant or no pictures.
        """
        if not pictures:
            raise ValueError("a batch of no pictures")
        self._workers[device].submit(batch_id, variant, pictures)


def _no_progress(device: int, done: int, total: int, text: str) -> None:
    """The caller does not follow the progress."""
