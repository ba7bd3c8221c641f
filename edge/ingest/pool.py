"""All ingest processes of a server: a session is placed in the least loaded one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from edge.adaptation.measurements import SessionMeasurements
from edge.batching.dispatcher import FrameSink
from edge.config import Settings
from edge.ingest.handle import IngestHandle, IngestStatus
from edge.ingest.messages import IngestSetup
from edge.ingest.session_proxy import SessionProxy
from edge.ipc.shared_memory import slot_bytes
from edge.models.registry.registry import ModelRegistry
from edge.observability.frame_metrics import FrameMetrics
from edge.session.interface import OnCloseRequest, SessionIdentity, SessionOptions
from edge.session.registry.full_error import FullError
from edge.session.session_adaptation import SessionAdaptation

_SPARE_SLOTS = 16  # for frames whose end has not reached the ingest process yet

MIN_SESSION_LOAD = 0.03  # of a core, assumed for a session where none has been measured
SIMILAR_LOAD = 0.1  # of a core: smaller differences are noise, and the number of sessions decides


@dataclass(frozen=True, slots=True)
class ProcessLoad:
    """One process: its share of a core as last measured, its sessions, and how many of those have
    come since."""

    busy: float
    sessions: int
    unmeasured: int

    @property
    def expected(self) -> float:
        """Its share of a core once all its sessions send."""
        measured = self.sessions - self.unmeasured
        each = self.busy / measured if measured > 0 else MIN_SESSION_LOAD
        return self.busy + self.unmeasured * max(each, MIN_SESSION_LOAD)


def least_loaded(loads: Sequence[ProcessLoad]) -> int:
    """The index of the process for the next session; of similar ones, that with fewest sessions."""
    least = min(load.expected for load in loads)
    similar = [i for i, load in enumerate(loads) if load.expected <= least + SIMILAR_LOAD]
    return min(similar, key=lambda i: (loads[i].sessions, loads[i].expected))


class IngestPool:
    """`settings.ingest` processes; `start` them, `create` sessions, `stop`.

    Queues: in each process' memory two waiting pictures for each session, and one for each frame in
    a worker; a frame for which no slot is free is dropped as "overload".
    """

    def __init__(
        self,
        settings: Settings,
        frame_sink: FrameSink,
        *,
        models: ModelRegistry,
        worker_slots: int,
        on_step: Callable[[], None],
        metrics: FrameMetrics,
    ) -> None:
        self._settings = settings
        self._models = models
        setup = IngestSetup(
            settings=_plain(settings),
            slots=2 * settings.max_sessions + worker_slots + _SPARE_SLOTS,
            slot_bytes=slot_bytes(settings.max_pixels),
            log_level=logging.getLogger().getEffectiveLevel(),
            models=list(models),
        )
        self._handles = [
            IngestHandle(number, setup, frame_sink, on_step=on_step, metrics=metrics)
            for number in range(settings.ingest)
        ]

    @property
    def ready(self) -> bool:
        """Whether any process takes sessions."""
        return any(each.is_ready for each in self._handles)

    @property
    def status(self) -> list[IngestStatus]:
        return [each.status for each in self._handles]

    async def start(self) -> None:
        """Start all and wait until they are ready.

        IngestLostError if one can't be started: then all are stopped.
        """
        try:
            await asyncio.gather(*(each.start() for each in self._handles))
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        await asyncio.gather(*(each.stop() for each in self._handles))

    def create(self, options: SessionOptions, on_close_request: OnCloseRequest) -> SessionProxy:
        """A session in the process of the one that it is to take over, else in the least loaded;
        FullError if no process is ready."""
        ready = [each for each in self._handles if each.is_ready]
        if not ready:
            raise FullError("not_ready", "no ingest process is ready: try again in a few seconds")
        handle = next(
            (each for each in ready if each.holds(options.replaces)),
            ready[least_loaded([_load(each) for each in ready])],
        )
        identity = SessionIdentity.fresh()
        settings = self._settings
        slo_ms = options.slo_ms or settings.slo_ms
        unknown = SessionMeasurements(slo_ms=slo_ms, fps=settings.fps)
        hints = SessionAdaptation.of(
            settings, self._models.serving(options.model), options.pins, options.start_bps
        )
        snapshot = hints.snapshot(identity.id, unknown)
        session = SessionProxy(
            handle,
            options,
            identity=identity,
            snapshot=snapshot,
            on_close_request=on_close_request,
        )
        handle.enter(session)
        return session


def _load(handle: IngestHandle) -> ProcessLoad:
    status = handle.status
    return ProcessLoad(status.busy, status.sessions, handle.unmeasured_sessions)


_OWN_SECRETS = {"token", "tokens", "tokens_file", "admin_token", "read_token", "sinks"}


def _plain(settings: Settings) -> dict[str, Any]:
    """The settings as JSON has them, secrets too: for the pipe, never for a log."""
    plain = settings.model_dump(mode="json", exclude=_OWN_SECRETS)
    plain["turn_without_token"] = True  # whether tokens are set was checked here
    if settings.turn_secret is not None:
        plain["turn_secret"] = settings.turn_secret.get_secret_value()
    for server, described in zip(settings.ice_servers, plain["ice_servers"], strict=True):
        if server.credential is not None:
            described["credential"] = server.credential.get_secret_value()
    return plain
