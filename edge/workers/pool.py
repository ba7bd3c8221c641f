"""The server's workers, one process a device: pictures in, boxes out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from edge.ipc.picture import Packable
from edge.ipc.supervisor import ProcessState
from edge.profile.latency import LatencyProfile
from edge.profile.variant import Variant
from edge.workers.handle import MAX_SLOTS, BatchFailure, BatchResult, WorkerHandle
from edge.workers.messages import Memory
from edge.workers.on_demand import LoadState, OnDemandModels, Work
from edge.workers.options import WorkerOptions

DEFAULT_SLOTS = 16
DEFAULT_MAX_PIXELS = 1920 * 1088

# Of a model that is loaded while others serve; with more, a busy machine starves it.
_LOAD_NICE = 5
_RELOAD_WARMUP_S = 2.0  # of one whose latencies are known: its sessions wait


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
    models: Mapping[str, LoadState] = field(default_factory=dict)
    """Of the models that are loaded on demand."""


class WorkerPool:
    """Workers for `devices`, all of `networks` on each; those of `on_demand` when they are loaded.

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
        on_demand: Sequence[str] = (),
        on_models: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_progress(device, done, total, text)` reports a start, `profiles` are of earlier runs,
        `on_models` is called when one of the models `on_demand` becomes ready or no longer is.

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
        options = options or WorkerOptions()
        lasting = options.of_networks(networks) if on_demand else options
        self._workers = [
            WorkerHandle(
                device,
                networks,
                profile,
                slots=slots,
                max_pixels=max_pixels,
                options=lasting,
                on_done=partial(on_done, index),
                on_state=partial(on_state, index),
                on_progress=partial(on_progress or _no_progress, index),
            )
            for index, (device, profile) in enumerate(zip(devices, measured, strict=True))
        ]

        def open_handle(device: int, network: str, profile: LatencyProfile | None) -> WorkerHandle:
            gentle = replace(options.of_networks([network]), load_nice=_LOAD_NICE)
            if profile is not None:
                gentle = replace(gentle, warmup_s=_RELOAD_WARMUP_S)
            return WorkerHandle(
                devices[device],
                [network],
                profile,
                slots=slots,
                max_pixels=max_pixels,
                options=gentle,
                on_done=partial(on_done, device),
                on_state=lambda state: on_models(),
                on_progress=_no_report,
            )

        self.on_demand = OnDemandModels(
            on_demand,
            len(devices),
            open_handle=open_handle,
            profiles=lambda: self.profiles,
            on_change=on_models,
        )

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
        models = self.on_demand.states
        statuses = []
        for device, worker in enumerate(self._workers):
            others = self.on_demand.on_device(device)
            work = Work.of(worker) + self.on_demand.work(device)
            statuses.append(
                WorkerStatus(
                    device=worker.device,
                    description=worker.description,
                    state=worker.state,
                    pid=worker.pid,
                    in_flight=worker.in_flight + sum(each.in_flight for each in others),
                    batches=work.batches,
                    failures=work.failures,
                    restarts=work.restarts,
                    memory=_memory([worker, *others]),
                    models=models,
                )
            )
        return statuses

    def is_loaded(self, network: str) -> bool:
        """Whether batches of it may be handed to any device that is ready."""
        return network not in self.on_demand or self.on_demand.is_ready(network)

    def workers(self, device: int) -> list[WorkerHandle]:
        """A device's own worker, and those of the models that are loaded on demand."""
        return [self._workers[device], *self.on_demand.on_device(device)]

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
        await asyncio.gather(*(worker.stop() for worker in self._workers), self.on_demand.stop())

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
        worker = self._workers[device]
        network = Variant.parse(variant).network
        if network in self.on_demand:
            worker = self.on_demand.handle(network, device)
        worker.submit(batch_id, variant, pictures)


def _memory(workers: Sequence[WorkerHandle]) -> Memory | None:
    """A device's memory: of a CPU the parts of its processes, of a GPU what they all report."""
    known = [worker.memory for worker in workers if worker.memory is not None]
    if not known:
        return None
    used = [each for each, _ in known]
    return (sum(used) if workers[0].device == "cpu" else max(used)), known[0][1]


def _no_report(done: int, total: int, text: str) -> None:
    """Models that are loaded while the server serves are in its log."""


def _no_progress(device: int, done: int, total: int, text: str) -> None:
    """The caller does not follow the progress."""
