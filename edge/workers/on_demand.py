"""Models that are loaded while the server serves: each in worker processes of its own.

One process a device and model: it starts beside those that serve, at a low priority, so that nobody
waits for it; a model that can't be loaded, or crashes, costs its own sessions alone; and unloading
one, which ends its processes, gives all of its memory back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from edge.base.clock import now_ms
from edge.base.event_log import get_logger
from edge.profile.latency import LatencyProfile
from edge.workers.handle import NotReadyError, WorkerError, WorkerHandle

log = get_logger(__name__)

LoadState = Literal["unloaded", "loading", "ready", "unloading", "failed"]

FIRST_RETRY_S, MOST_RETRY_S = 15.0, 600.0  # after a failure, doubling with each in a row


class OpenHandle(Protocol):
    def __call__(
        self, device: int, network: str, profile: LatencyProfile | None
    ) -> WorkerHandle: ...


@dataclass(frozen=True, slots=True)
class Work:
    """Counts of workers since their start."""

    batches: int = 0
    failures: int = 0
    restarts: int = 0

    @classmethod
    def of(cls, handle: WorkerHandle) -> Work:
        return cls(handle.batches, handle.failures, handle.restarts)

    def __add__(self, other: Work) -> Work:
        return Work(
            self.batches + other.batches,
            self.failures + other.failures,
            self.restarts + other.restarts,
        )


@dataclass(slots=True)
class _Model:
    state: LoadState = "unloaded"
    reason: str = ""
    handles: list[WorkerHandle] = field(default_factory=list)
    task: asyncio.Task[None] | None = None
    failures: int = 0
    retry_at_s: float = 0.0
    used_ms: float = 0.0


class OnDemandModels:
    """`load` and `unload` models; everything belongs to the event loop's thread.

    `profiles`: those of the devices, to which a model's latencies are added when it is first
    loaded, where they do not hold them. `on_change` is called when a model becomes ready, is
    unloaded, or can't be loaded.
    """

    def __init__(
        self,
        networks: Sequence[str],
        devices: int,
        *,
        open_handle: OpenHandle,
        profiles: Callable[[], Sequence[LatencyProfile]],
        on_change: Callable[[], None],
    ) -> None:
        self._models = {network: _Model() for network in networks}
        self._devices = range(devices)
        self._open_handle = open_handle
        self._profiles = profiles
        self._on_change = on_change
        self._is_stopped = False
        self._ended = [Work() for _ in self._devices]

    def __contains__(self, network: str) -> bool:
        return network in self._models

    @property
    def states(self) -> dict[str, LoadState]:
        return {network: model.state for network, model in self._models.items()}

    @property
    def busy(self) -> bool:
        """Whether one is being loaded or unloaded: one at a time, for the others' sake."""
        return any(model.state in ("loading", "unloading") for model in self._models.values())

    def is_ready(self, network: str) -> bool:
        """Whether each device can take a batch of it now."""
        model = self._models[network]
        return model.state == "ready" and all(each.state == "ready" for each in model.handles)

    def may_load(self, network: str) -> bool:
        """Whether it is not loaded, and did not fail just before."""
        model = self._models[network]
        if model.state == "failed":
            return asyncio.get_running_loop().time() >= model.retry_at_s
        return model.state == "unloaded"

    def reason(self, network: str) -> str:
        """Why it can't be loaded; empty unless its state is "failed"."""
        return self._models[network].reason

    def used_ms(self, network: str) -> float:
        """When its last batch was handed over."""
        return self._models[network].used_ms

    def handle(self, network: str, device: int) -> WorkerHandle:
        """Its worker for a batch on a device; NotReadyError if it is not loaded."""
        model = self._models[network]
        if not model.handles:
            raise NotReadyError(f"{network} is not loaded")
        model.used_ms = now_ms()
        return model.handles[device]

    def handles(self, network: str) -> Sequence[WorkerHandle]:
        """Its worker on each device; none unless it is loaded or loading."""
        return self._models[network].handles

    def work(self, device: int) -> Work:
        """That of all its workers on a device, those that have ended included."""
        return sum((Work.of(each) for each in self.on_device(device)), self._ended[device])

    def on_device(self, device: int) -> list[WorkerHandle]:
        """The workers of all models on a device."""
        return [model.handles[device] for model in self._models.values() if model.handles]

    def load(self, network: str) -> None:
        """Begin to load it; `on_change` follows."""
        model = self._models[network]
        if self._is_stopped or not self.may_load(network):
            return
        log.info("model_loading", model=network)
        model.state, model.reason = "loading", ""
        model.task = asyncio.create_task(self._load(network, model), name=f"edge-load-{network}")

    def unload(self, network: str) -> None:
        """Begin to end its workers; batches that they have may finish."""
        model = self._models[network]
        if self._is_stopped or model.state != "ready":
            return
        log.info("model_unloading", model=network)
        model.state = "unloading"
        model.task = asyncio.create_task(self._unload(model), name=f"edge-unload-{network}")

    async def stop(self) -> None:
        """End all."""
        self._is_stopped = True
        tasks = [model.task for model in self._models.values() if model.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(self._end(model) for model in self._models.values()))

    async def _load(self, network: str, model: _Model) -> None:
        profiles = self._profiles()
        known = [profile if network in profile.networks else None for profile in profiles]
        try:
            model.handles = [
                self._open_handle(device, network, known[device]) for device in self._devices
            ]
            await asyncio.gather(*(handle.start() for handle in model.handles))
        except (WorkerError, ValueError, OSError) as error:
            await self._end(model)
            self._fail(network, model, str(error))
            return
        for profile, handle in zip(profiles, model.handles, strict=True):
            if network not in profile.networks and handle.profile is not None:
                profile.add(handle.profile.entries)
                handle.profile = profile
        if any(network not in profile.networks for profile in profiles):
            await self._end(model)
            self._fail(network, model, "a device's latency profile does not hold it")
            return
        model.state, model.failures = "ready", 0
        log.info("model_ready", model=network)
        self._on_change()

    def _fail(self, network: str, model: _Model, reason: str) -> None:
        delay_s = min(MOST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(model.failures, 16))
        model.failures += 1
        model.retry_at_s = asyncio.get_running_loop().time() + delay_s
        model.state, model.reason = "failed", reason
        log.warning("model_failed", model=network, reason=reason, retry_s=delay_s)
        self._on_change()

    async def _unload(self, model: _Model) -> None:
        await self._end(model)
        model.state = "unloaded"
        self._on_change()

    async def _end(self, model: _Model) -> None:
        await asyncio.gather(*(handle.stop() for handle in model.handles))
        for device, handle in enumerate(model.handles):
            self._ended[device] += Work.of(handle)
        model.handles = []
