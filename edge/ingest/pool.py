"""All ingest processes of a server: sessions are placed on the least busy."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from edge.adaptation.measurements import SessionMeasurements
from edge.batching.dispatcher import Intake
from edge.config import Settings
from edge.ingest.messages import IngestSetup
from edge.ingest.placement import least_busy
from edge.ingest.remote_session import RemoteSession
from edge.ingest.supervisor import IngestProcess, IngestStatus
from edge.ipc.shared_memory import slot_bytes
from edge.observability.metrics_data import FrameMetrics
from edge.session.interface import OnCloseRequest, SessionIdentity, SessionOptions
from edge.session.registry import FullError
from edge.session.session_adaptation import SessionAdaptation

_SPARE_SLOTS = 16  # for frames whose end is not told yet


class IngestPool:
    """`settings.ingest` processes; `start` them, `create` sessions, `stop`.

    Queues: in each process' memory two pictures for each session, which may wait, and one for
    each frame in a worker; a frame that finds no slot free is dropped as "overload".
    """

    def __init__(
        self,
        settings: Settings,
        intake: Intake,
        *,
        worker_slots: int,
        on_step: Callable[[], None],
        metrics: FrameMetrics,
    ) -> None:
        self._settings = settings
        setup = IngestSetup(
            settings=_plain(settings),
            slots=2 * settings.max_sessions + worker_slots + _SPARE_SLOTS,
            slot_bytes=slot_bytes(settings.max_pixels),
            log_level=logging.getLogger().getEffectiveLevel(),
        )
        self._ingests = [
            IngestProcess(number, setup, intake, on_step=on_step, metrics=metrics)
            for number in range(settings.ingest)
        ]

    @property
    def ready(self) -> bool:
        """Whether any process takes sessions."""
        return any(each.ready for each in self._ingests)

    @property
    def status(self) -> list[IngestStatus]:
        return [each.status for each in self._ingests]

    async def start(self) -> None:
        """All of them, until they are ready; LostError if one can't be: then all are stopped."""
        try:
            await asyncio.gather(*(each.start() for each in self._ingests))
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        await asyncio.gather(*(each.stop() for each in self._ingests))

    def create(self, options: SessionOptions, on_close_request: OnCloseRequest) -> RemoteSession:
        """A session in the least busy process; FullError if no process is ready."""
        ready = [each for each in self._ingests if each.ready]
        if not ready:
            raise FullError("not_ready", "no ingest process is ready: try again in a few seconds")
        ingest = ready[least_busy([each.busyness for each in ready])]
        identity = SessionIdentity.fresh()
        settings = self._settings
        slo_ms = options.slo_ms or settings.slo_ms
        unknown = SessionMeasurements(slo_ms=slo_ms, fps=settings.fps)
        hints = SessionAdaptation.of(settings)
        known = hints.snapshot(identity.id, unknown)
        session = RemoteSession(
            ingest, options, identity=identity, known=known, on_close_request=on_close_request
        )
        ingest.enter(session)
        return session


def _plain(settings: Settings) -> dict[str, Any]:
    """The settings as JSON has them, secrets too: for the pipe, never for a log."""
    plain = settings.model_dump(mode="json", exclude={"token", "admin_token"})
    if settings.turn_secret is not None:
        plain["turn_secret"] = settings.turn_secret.get_secret_value()
    for server, described in zip(settings.ice_servers, plain["ice_servers"], strict=True):
        if server.credential is not None:
            described["credential"] = server.credential.get_secret_value()
    return plain
