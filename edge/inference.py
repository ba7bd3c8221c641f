"""Inference as a whole: the devices' workers and, once latencies are known, the dispatcher."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from edge.base.event_log import get_logger
from edge.batching.batcher import Batcher
from edge.batching.device_usage import DeviceUsage
from edge.batching.dispatcher import Dispatcher
from edge.batching.request import FrameRequest
from edge.config import Settings
from edge.models.registry.registry import ModelRegistry
from edge.profile.latency import LatencyProfile
from edge.workers.handle import BatchFailure, BatchResult
from edge.workers.model_keeper import ModelKeeper
from edge.workers.options import SUPERVISION, WorkerOptions
from edge.workers.pool import DEFAULT_SLOTS, WorkerPool, WorkerStatus

log = get_logger("edge.inference")

STOP_GRACE_S = 0.5  # until a worker that does not end by itself is killed


class Devices:
    """`start` them, `offer` frames, `drain`, `stop`; everything belongs to the event loop.

    `profiles` are the devices' known latencies; None: they are measured as the devices start.
    `on_change` is called when a device becomes ready or is lost, once all have started.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        models: ModelRegistry,
        profiles: Sequence[LatencyProfile] | None,
        on_change: Callable[[], None],
        on_progress: Callable[[str], None],
    ) -> None:
        self._names = settings.device
        self._max_batch = settings.max_batch
        self._on_change = on_change
        self._on_progress = on_progress
        self.slots = max(DEFAULT_SLOTS, 2 * settings.max_batch)
        """Pictures in flight to each device's worker, at most."""
        on_demand = [model.name for model in models if model.on_demand]
        self.pool = WorkerPool(
            settings.device,
            [model.name for model in models if not model.on_demand],
            on_done=self._on_done,
            on_state=self._on_state,
            on_progress=self._on_worker_progress,
            slots=self.slots,
            max_pixels=settings.max_pixels,
            profiles=profiles,
            on_demand=on_demand,
            on_models=self._on_models,
            options=WorkerOptions(
                variants=tuple(name for model in models for name in model.variants),
                threads=settings.threads,
                runtime=settings.runtime,
                precision=settings.precision,
                models={model.name: model for model in models},
                supervision=replace(SUPERVISION, stop_grace_s=STOP_GRACE_S),
                log_format=settings.log_format,
            ),
        )
        self._has_on_demand = bool(on_demand)
        self._keeper = ModelKeeper(
            self.pool,
            models,
            limit_mb=settings.model_memory_mb,
            idle_s=settings.model_idle_s,
        )
        self.dispatcher: Dispatcher | None = None
        """None until all devices have started."""

    async def start(self) -> None:
        """Start the workers and wait until they are warm; WorkerError if one cannot start."""
        await self.pool.start()
        self.dispatcher = Dispatcher(
            self.pool,
            Batcher(self.pool.profiles, max_batch=self._max_batch),
            self.is_loaded,
        )

    async def drain(self, most_s: float) -> None:
        """Take no more frames, and wait for those in the workers, `most_s` at most."""
        if self.dispatcher is not None:
            await self.dispatcher.drain(most_s)

    async def stop(self) -> None:
        if self.dispatcher is not None:
            self.dispatcher.close()
        await self.pool.stop()

    def offer(self, request: FrameRequest) -> None:
        """Queue a frame for a batch: see `edge.batching.dispatcher.FrameSink`."""
        assert self.dispatcher is not None, "sessions are admitted once devices are ready"
        self.dispatcher.offer(request)

    def remove(self, session: str) -> None:
        """Drop a session's waiting frame."""
        if self.dispatcher is not None:
            self.dispatcher.remove(session)

    def keep_models(self, sessions: Sequence[Collection[str]]) -> None:
        """Load and unload models for these sessions; each is the models that may serve it."""
        if self.dispatcher is not None:
            self._keeper.update(sessions)

    @property
    def is_loaded(self) -> Callable[[str], bool] | None:
        """Tells of a network whether it takes frames now; None: all do, always."""
        return self.pool.is_loaded if self._has_on_demand else None

    def why_not_loaded(self, networks: Sequence[str]) -> str:
        """Why none of these networks takes frames, in words."""
        return self._keeper.why_not_loaded(networks)

    @property
    def status(self) -> list[WorkerStatus]:
        return self.pool.status

    @property
    def ready(self) -> list[int]:
        """Numbers of the devices that take batches now."""
        if self.dispatcher is None:
            return []
        return [number for number, each in enumerate(self.pool.status) if each.state == "ready"]

    @property
    def ready_profiles(self) -> list[LatencyProfile]:
        """Latency profiles of the devices that take batches now."""
        profiles = self.pool.profiles
        return [profiles[number] for number in self.ready]

    @property
    def usage(self) -> Sequence[DeviceUsage]:
        """Work done since the start, by device; empty before."""
        return [] if self.dispatcher is None else self.dispatcher.usage

    @property
    def waiting(self) -> int:
        """Frames that no device has taken yet."""
        return 0 if self.dispatcher is None else self.dispatcher.waiting

    def _on_done(self, device: int, number: int, outcome: BatchResult | BatchFailure) -> None:
        if self.dispatcher is not None:
            self.dispatcher.done(device, number, outcome)

    def _on_state(self, device: int, state: str) -> None:
        log.info("device_state", device=self._names[device], state=state)
        if self.dispatcher is not None:  # else the batcher takes every device as ready
            self.dispatcher.device_state(device, state == "ready")
            self._on_change()

    def _on_models(self) -> None:
        if self.dispatcher is not None:
            self._on_change()

    def _on_worker_progress(self, device: int, done: int, total: int, text: str) -> None:
        self._on_progress(f"{self._names[device]}: {text} ({done}/{total})")
