"""The composition root: the server's parts, how they are connected, and their start and stop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from aiohttp import web

from edge import startup
from edge.api.access.login import LoginPages
from edge.api.access.logins import Logins
from edge.api.access.root_path import find_root_path
from edge.api.errors import json_errors
from edge.api.feed import FeedEndpoint
from edge.api.http_server import HttpServer, ListenError
from edge.api.operator.admin import AdminApi
from edge.api.operator.dashboard import Dashboard
from edge.api.operator.ended_sessions import EndedSessions
from edge.api.operator.health import HealthEndpoint
from edge.api.operator.prometheus import MetricsEndpoint
from edge.api.pages import Pages, page_settings, security_headers
from edge.api.request_rate import limit_requests
from edge.api.whip import WhipEndpoint
from edge.base.clock import now_ms
from edge.base.directories import data_dir
from edge.base.event_log import get_logger
from edge.capacity import ServerCapacity, typical_session
from edge.clips.writer import ClipWriter
from edge.config import Settings
from edge.inference import Devices
from edge.ingest.handle import IngestStatus
from edge.ingest.pool import IngestPool
from edge.ingest.session_proxy import IngestLostError
from edge.observability.event_loop import EventLoopMonitor
from edge.observability.frame_metrics import FrameMetrics
from edge.observability.garbage_collector import MemoryReclaimer
from edge.observability.history.store import HistoryStore
from edge.observability.refusals import Refusal, Refusals
from edge.observability.time_series import PERIOD_MS
from edge.profile.variant import SENT_LONG_SIDES
from edge.rtc.sdp import shortage
from edge.rtc.transport import aiortc_adapter
from edge.scheduling.controller import Controller
from edge.scheduling.planner import Planner
from edge.session.followers import Followers
from edge.session.interface import OnCloseRequest, SessionInterface, SessionOptions
from edge.session.registry.full_error import FullError
from edge.session.registry.session_registry import SessionRegistry
from edge.session.session import Session
from edge.session.session_adaptation import SessionAdaptation
from edge.startup import StartError
from edge.workers.handle import WorkerError

if TYPE_CHECKING:
    from edge.fleet.node import FleetNode

log = get_logger("edge.server")

TICK_MS = 100.0
# Stopping takes less than 5 s whatever hangs: these, the workers' and HTTP's own, and a killed
# worker's end (1.5 s).
DRAIN_S, GOODBYE_S = 1.0, 1.0
CLIPS_STOP_S = 2.0


class Server:
    """`start`, and it serves until `stop`; both belong to the event loop."""

    def __init__(self, settings: Settings, on_progress: Callable[[str], None] = log.info) -> None:
        aiortc_adapter.check()
        self.settings = settings
        self.models = startup.load_models(settings, on_progress)
        self.sinks = startup.load_sinks(settings, self.models)
        self._metrics = FrameMetrics()
        in_here = settings.clips is not None and not settings.ingest
        self._clips = ClipWriter(settings.clips) if in_here and settings.clips else None
        self._event_loop = EventLoopMonitor()
        self._refusals = Refusals()
        self._history = HistoryStore(
            data_dir() / f"history-{settings.port}.sqlite3",
            hours=settings.history_hours,
            max_bytes=settings.history_bytes,
        )
        self._ticker: asyncio.Task[None] | None = None
        self.devices = Devices(
            settings,
            models=self.models,
            profiles=startup.load_profiles(settings),
            on_change=lambda: self.controller.notify("device"),
            on_progress=on_progress,
        )
        self.sessions = SessionRegistry(
            self._create_session,
            limit=settings.max_sessions,
            limit_per_address=settings.max_sessions_per_address,
            half_open_limit=settings.max_half_open,
            half_open_limit_per_address=settings.max_half_open_per_address,
            ready=self._ready,
            # These are made after it.
            overload=lambda slo_ms: self.capacity.overload(slo_ms),  # noqa: PLW0108
            on_change=self._on_sessions_change,
            on_offer=self._follow_sessions,  # before its first answer
            on_refusal=self._note_refusal,
            on_leave=lambda session: self._ended.leave(session),  # noqa: PLW0108
            on_end=lambda *given: self._ended.end(*given),  # noqa: PLW0108
            drain_s=None if settings.fleet is None else settings.fleet.drain_s,
        )
        self.controller = Controller(
            Planner(
                {model.name: model.long_sides for model in self.models},
                startup.load_accuracy(settings),
                accuracy_floor=settings.accuracy_floor,
                max_batch=settings.max_batch,
                sent_long_sides=SENT_LONG_SIDES
                if settings.sent_edge is None
                else [settings.sent_edge],
            ),
            sessions=lambda: self.sessions.connected,
            profiles=lambda: self.devices.ready_profiles,
            typical=typical_session(settings, self.models),
            is_loaded=self.devices.is_loaded,
            why_not_loaded=self.devices.why_not_loaded,
        )
        self.capacity = ServerCapacity(
            settings,
            sessions=self.sessions,
            controller=self.controller,
            ingest=self._ingest_status,
            event_loop=self._event_loop,
        )
        self.ingests = self._ingest_pool() if settings.ingest else None
        self._dashboard = Dashboard(
            settings,
            metrics=self._metrics,
            sessions=self.sessions,
            devices=self.devices,
            controller=self.controller,
            ingest=self._ingest_status,
            event_loop=self._event_loop,
            refusals=self._refusals,
            capacity=self.capacity,
            kept=self._history,
        )
        self._ended = EndedSessions(self._dashboard, self._history)
        self._admin = AdminApi(
            settings,
            self.models,
            sessions=self.sessions,
            dashboard=self._dashboard,
            sinks=self.sinks,
            refusals=self._refusals,
            capacity=self.capacity,
            history=self._history,
        )
        self._feed = FeedEndpoint(
            self.sessions,
            {name for model in self.models for name in model.class_names},
            on_reader=self._follow_sessions,
        )
        self._followers = Followers(self.sessions, [self._feed, self.sinks])
        self._logins = Logins(data_dir() / f"logins-{settings.port}.json")
        self._access = startup.load_access(settings, self._logins)
        self._http = self._http_server()
        self._page = page_settings(settings, self.models)
        self.fleet = None if settings.fleet is None else self._fleet_node()

    def _ingest_pool(self) -> IngestPool:
        settings = self.settings
        return IngestPool(
            settings,
            self.devices,
            models=self.models,
            worker_slots=len(settings.device) * self.devices.slots,
            on_step=lambda: self.controller.notify("link"),
            metrics=self._metrics,
        )

    def _http_server(self) -> HttpServer:
        try:
            return HttpServer(self.settings, self._access.directors.is_known)
        except ListenError as error:
            raise StartError(str(error)) from error

    def _fleet_node(self) -> FleetNode:
        from edge.fleet.node import FleetNode  # noqa: PLC0415  # of the extra `fleet`
        from edge.fleet.reporter import Reporter  # noqa: PLC0415

        variants = [name for model in self.models for name in model.variants]
        return FleetNode(
            self.settings,
            http=self._http,
            access=self._access,
            sessions=self.sessions,
            capacity=self.capacity,
            act=self._admin.act,
            page=self._page,
            report=Reporter(self._dashboard, variants).report,
        )

    @property
    def url(self) -> str:
        """Its address, with a slash at the end; empty until it has started."""
        return self._http.url

    @property
    def lan_urls(self) -> list[str]:
        """The addresses at which other machines of the network reach it."""
        return self._http.lan_urls

    async def start(self) -> None:
        """Listen, warm up the devices, take sessions; StartError if that is not possible."""
        try:
            await self._listen()  # first: a port in use should not cost a warm-up
            await asyncio.gather(self.devices.start(), self.controller.prepare())
            if self.ingests is not None:
                await self.ingests.start()
        except (ListenError, WorkerError, IngestLostError) as error:
            raise StartError(str(error)) from error
        if self.settings.models:
            startup.check_profiles(self.settings, self.models, self.devices.pool.profiles)
        self.controller.start()
        self.sinks.start()
        self._history.start()
        self._ticker = asyncio.create_task(self._tick(), name="edge-ticker")
        if self.fleet is not None:
            await self.fleet.start()

    @property
    def leave_s(self) -> float:
        """How long `leave` takes at most."""
        return 0.0 if self.settings.fleet is None else self.settings.fleet.drain_s

    async def leave(self) -> None:
        """A node's publishers move to others before it stops."""
        if self.fleet is not None:
            self.sessions.drain()
            await self.sessions.emptied()

    async def stop(self) -> None:
        """The reverse: refuse sessions, finish frames in the devices, end sessions, processes."""
        self.sessions.drain()
        await self.devices.drain(DRAIN_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await self.sessions.close_all("the server is shutting down")
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.wait([self._ticker])
        self._admin.close()
        if self.fleet is not None:
            await self.fleet.stop()
        self._followers.close()
        self._feed.close()
        await self.controller.stop()
        ingests = [] if self.ingests is None else [self.ingests.stop()]
        await asyncio.gather(
            self.sinks.stop(),
            self.devices.stop(),
            asyncio.to_thread(self._logins.close),
            asyncio.to_thread(self._history.stop),
            asyncio.to_thread(self._stop_clips),
            *ingests,
        )
        await self._http.stop()

    def _stop_clips(self) -> None:
        if self._clips is not None:
            self._clips.stop(CLIPS_STOP_S)

    async def _listen(self) -> None:
        settings = self.settings
        access = self._access
        whip = WhipEndpoint(settings, self.models, self.sessions, access, self._refusals)
        endpoints: list[web.AbstractRouteDef] = [
            *whip.routes(),
            *LoginPages(access).routes(),
            *Pages(
                lambda: self._page, self._http.ca, lambda: self.lan_urls, access.is_local
            ).routes(),
            *self._admin.routes(),
            *self._feed.routes(),
            *MetricsEndpoint(
                settings,
                dashboard=self._dashboard,
                sessions=self.sessions,
                devices=self.devices,
                controller=self.controller,
                ingest=self._ingest_status,
                event_loop=self._event_loop,
                sinks=self.sinks,
                refusals=self._refusals,
                capacity=self.capacity,
                refused_connections=self._http.limits.refused,
            ).routes(),
            *HealthEndpoint(
                access=self._access,
                sessions=self.sessions,
                devices=self.devices,
                ingest=self._ingest_status,
                event_loop=self._event_loop,
            ).routes(),
            *([] if self.fleet is None else self.fleet.routes()),
        ]
        root_path = find_root_path(settings.root_path, access)
        headers = security_headers(settings.frame_ancestors)
        rate = limit_requests(settings.max_requests_per_s, access.client_key, self._http.limits)
        await self._http.start(
            [whip.refusal_counter, rate, root_path, headers, json_errors, access.guard], endpoints
        )

    def _ready(self) -> bool:
        """Whether there is a device to serve sessions, and a process to hold them."""
        return bool(self.devices.ready) and (self.ingests is None or self.ingests.ready)

    def _ingest_status(self) -> list[IngestStatus]:
        return [] if self.ingests is None else self.ingests.status

    def _create_session(
        self, options: SessionOptions, on_close_request: OnCloseRequest
    ) -> SessionInterface:
        if self.ingests is not None:
            return self.ingests.create(options, on_close_request)
        settings = self.settings
        models = self.models.serving(options.model)
        former = self.sessions.get(options.replaces or "")
        try:
            return Session(
                settings,
                self.devices,
                SessionAdaptation.of(settings, models, options.pins, options.start_bps),
                options,
                models=models,
                on_close_request=on_close_request,
                on_step=lambda: self.controller.notify("link"),
                metrics=self._metrics,
                former=former if isinstance(former, Session) else None,
                clips=self._clips,
            )
        except OSError as error:
            raise shortage(error) from error

    def _note_refusal(self, session: SessionInterface, refusal: FullError) -> None:
        """A session that was refused as it connected, after its offer had been accepted."""
        self._refusals.add(
            Refusal(
                at_s=time.time(),
                reason=refusal.code,
                message=str(refusal),
                label=session.label,
                session=session.name,
            )
        )

    def _keep_models(self) -> None:
        if self.devices.is_loaded is not None:
            now = now_ms()
            self.devices.keep_models([s.snapshot(now).networks for s in self.sessions.connected])

    def _on_sessions_change(self, event: str) -> None:
        self._keep_models()
        self.controller.notify(event)  # made after the registry
        self._follow_sessions()

    def _follow_sessions(self) -> None:
        self._followers.refresh()

    async def _tick(self) -> None:
        """Ten times a second: tick the sessions; once a second: refresh the dashboard."""
        due_ms = refresh_ms = now_ms() + TICK_MS
        memory = MemoryReclaimer()
        while True:
            await asyncio.sleep(max(0.0, due_ms - now_ms()) / 1000.0)
            now = now_ms()
            self._event_loop.observe(now - due_ms, time.thread_time(), now)
            try:
                self.sessions.tick()
                if now_ms() >= refresh_ms:
                    self._keep_models()
                    refresh_ms = max(refresh_ms + PERIOD_MS, now_ms())
                    self.capacity.refresh()
                    if self._clips is not None:
                        self._metrics.clipped(self._clips.take_counts())
                    self._dashboard.refresh()
                    self._admin.publish_state()
                    self._followers.refresh()
                    memory.observe(now)
            except Exception:
                log.exception("tick_failed")
            due_ms = max(due_ms + TICK_MS, now_ms())
