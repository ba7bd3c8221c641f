"""The server: its parts, how they hang together, and the order in which they start and stop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import ssl
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from aiohttp import web

from edge.adaptation.fixed_hints import FixedHint
from edge.api import local_ca
from edge.api.admin import AdminApi
from edge.api.auth import AccessControl
from edge.api.login import LoginPages
from edge.api.pages import Pages, secure
from edge.api.prometheus import MetricsEndpoint
from edge.api.whip import MAX_BODY, WhipEndpoint, json_errors
from edge.batching.batcher import Batcher
from edge.batching.dispatcher import Dispatcher
from edge.clock import now_ms
from edge.config import Settings
from edge.ingest.pool import IngestPool
from edge.ingest.remote_session import LostError
from edge.models.weights import class_names
from edge.observability.dashboard import Dashboard
from edge.observability.metrics_data import FrameMetrics, Histogram
from edge.observability.time_series import EVERY_MS
from edge.profile.accuracy import AccuracyError, AccuracyProfile
from edge.profile.accuracy_file import load_accuracy_profile
from edge.profile.latency import LatencyProfile
from edge.profile.latency_file import load_latency_profile
from edge.profile.stored_profile import PROFILES, find_stored_profile
from edge.profile.variant import SENT_LONG_SIDES, Variant
from edge.rtc import aiortc_adapter
from edge.scheduling.admission import AdmissionState, why_not
from edge.scheduling.controller import Controller
from edge.scheduling.planner import Planner
from edge.session.interface import SessionInterface
from edge.session.rate_limits import CpuShare
from edge.session.registry import SessionRegistry
from edge.session.session import Session
from edge.session.session_adaptation import SessionAdaptation
from edge.workers import DEFAULT_SLOTS, Failure, Options, Result, WorkerError, WorkerPool

log = logging.getLogger("edge.server")

TICK_MS = 100.0
# Stopping takes less than 5 s, whatever hangs: these, and a worker's end once killed (1.5 s).
DRAIN_S, GOODBYE_S, WORKERS_S, HTTP_S = 1.0, 1.0, 0.5, 0.5


class StartError(Exception):
    """The server cannot start; the message says why and what to do."""


class Server:
    """`start`, and it serves until `stop`; both belong to the event loop."""

    def __init__(self, settings: Settings, on_progress: Callable[[str], None] = log.info) -> None:
        aiortc_adapter.check()
        self.settings = settings
        self.url = ""
        self.lan_urls: list[str] = []
        self.loop_lag_ms = 0.0  # worst lateness of the event loop in the last seconds
        self.meter = FrameMetrics()
        self._names = class_names()
        self._variants = [Variant(settings.network, long_side) for long_side in settings.edges]
        self.pool = WorkerPool(
            settings.device,
            [settings.network],
            on_done=self._on_done,
            on_state=self._on_device_state,
            on_progress=self._on_progress,
            slots=_slots(settings),
            max_pixels=settings.max_pixels,
            profiles=_profiles(settings),
            options=Options(
                variants=tuple(variant.name for variant in self._variants),
                threads=settings.threads,
                weights={} if settings.weights is None else {settings.network: settings.weights},
                stop_grace_s=WORKERS_S,
                log_format=settings.log_format,
            ),
        )
        self._held = FixedHint.by(settings)
        self.dispatcher: Dispatcher | None = None  # once the devices have been measured
        self.ingests: IngestPool | None = None  # where there are several
        self.sessions = SessionRegistry(
            self._make_session,
            limit=settings.max_sessions,
            limit_per_address=settings.max_sessions_per_address,
            ready=lambda: self.takes_sessions,
            why_not=self._why_not,
            class_names=self._names,
            on_change=self._notify,
        )
        self.controller = Controller(
            Planner(
                settings.network,
                settings.edges,
                _accuracy(settings),
                max_batch=settings.max_batch,
                sent_long_sides=SENT_LONG_SIDES if self._held is None else [self._held.long_side],
            ),
            sessions=lambda: self.sessions,
            profiles=self._live_profiles,
        )
        self.lag = Histogram()  # of the event loop, all the time
        self._ready: set[int] = set()
        self._core = CpuShare()
        self._overview = Dashboard(self)
        self._admin = AdminApi(self, self._overview)
        self._say = on_progress
        self._runner: web.AppRunner | None = None
        self._ticker: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen, warm the devices up, take sessions. StartError if that cannot be."""
        await self._listen()  # first: a taken port should not cost a warm-up
        try:
            await asyncio.gather(self.pool.start(), self.controller.prepare())
        except WorkerError as error:
            raise StartError(str(error)) from error
        self.dispatcher = Dispatcher(
            self.pool, Batcher(self.pool.profiles, max_batch=self.settings.max_batch)
        )
        if self.settings.ingest > 1:
            await self._start_ingests(self.dispatcher)
        self._ready.update(
            number for number, each in enumerate(self.pool.status) if each.state == "ready"
        )
        self.controller.start()
        self._ticker = asyncio.create_task(self._tick(), name="edge-ticker")

    async def stop(self) -> None:
        """In the other order: newcomers refused, frames that a device has finished, sessions told,
        processes ended."""
        self.sessions.drain()
        if self.dispatcher is not None:
            await self.dispatcher.drain(DRAIN_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await self.sessions.close_all("the server is shutting down")
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.wait([self._ticker])
        self._admin.end()
        await self.controller.stop()
        if self.dispatcher is not None:
            self.dispatcher.close()
        ingests = [self.ingests.stop()] if self.ingests is not None else []
        await asyncio.gather(self.pool.stop(), *ingests)
        if self._runner is not None:
            await self._runner.cleanup()

    async def _start_ingests(self, dispatcher: Dispatcher) -> None:
        settings = self.settings
        self.ingests = IngestPool(
            settings,
            dispatcher,
            worker_slots=len(settings.device) * _slots(settings),
            on_step=lambda: self.controller.notify("link"),
            meter=self.meter,
        )
        try:
            await self.ingests.start()
        except LostError as error:
            raise StartError(str(error)) from error

    async def _listen(self) -> None:
        settings = self.settings
        context, ca = self._tls()
        access = AccessControl(settings)
        app = web.Application(
            middlewares=[secure, json_errors, access.guard],
            client_max_size=settings.max_sdp_bytes,
        )
        app[MAX_BODY] = settings.max_sdp_bytes
        app.add_routes(WhipEndpoint(settings, self.sessions, access).routes())
        app.add_routes(LoginPages(access).routes())
        app.add_routes(Pages(settings, ca=ca).routes())
        app.add_routes(self._admin.routes())
        app.add_routes(MetricsEndpoint(self, self._overview).routes())
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        self._runner = web.AppRunner(
            app, handle_signals=False, access_log=None, shutdown_timeout=HTTP_S
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, settings.host, settings.port, ssl_context=context)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise StartError(_why_not(error, settings)) from error
        port = self._runner.addresses[0][1]
        scheme = "http" if context is None else "https"
        self.url = f"{scheme}://localhost:{port}/"
        if settings.host in ("0.0.0.0", "::"):
            self.lan_urls = [
                f"{scheme}://{address}:{port}/"
                for address in local_ca.lan_addresses()
                if address.version == 4
            ]
        elif settings.host not in ("127.0.0.1", "::1", "localhost"):
            host = f"[{settings.host}]" if ":" in settings.host else settings.host
            self.url = f"{scheme}://{host}:{port}/"

    def _tls(self) -> tuple[ssl.SSLContext | None, Path | None]:
        """The context, and the local authority's certificate where we made it."""
        settings = self.settings
        if settings.http:
            return None, None
        try:
            if settings.cert is not None and settings.key is not None:
                return local_ca.server_context(settings.cert, settings.key), None
            made = local_ca.ensure(local_ca.default_directory(), local_ca.lan_addresses())
            return local_ca.server_context(made.cert, made.key), made.ca
        except (OSError, ValueError) as error:
            raise StartError(f"TLS: {error}") from error

    async def _healthz(self, request: web.Request) -> web.Response:
        """200 once sessions can be taken, 503 before."""
        ready = self.takes_sessions
        ingests = self.ingest_status()
        body = {
            "status": "ok" if ready else "starting",
            "sessions": len(self.sessions),
            "devices_ready": len(self._ready),
            "devices": len(self.settings.device),
            "loop_lag_ms": round(max(self.loop_lag_ms, *(i["lag_ms"] for i in ingests), 0.0), 1),
            "tasks": len(asyncio.all_tasks()) + sum(each["tasks"] for each in ingests),
            "ingest": ingests,
        }
        return web.json_response(body, status=200 if ready else 503)

    async def _readyz(self, request: web.Request) -> web.Response:
        """200 while newcomers are let in, 503 otherwise: for a balancer to look elsewhere."""
        if self.sessions.draining:
            status = "draining"
        elif not self.takes_sessions:
            status = "starting"
        elif len(self.sessions) >= self.settings.max_sessions:
            status = "full"
        else:
            status = "ready" if self._why_not() is None else "busy"
        return web.json_response({"status": status}, status=200 if status == "ready" else 503)

    @property
    def takes_sessions(self) -> bool:
        """Whether there is a device to serve them, and a process to hold them."""
        return bool(self._ready) and (self.ingests is None or self.ingests.ready)

    @property
    def ready_devices(self) -> list[int]:
        """Numbers of the devices that can take batches now."""
        return sorted(self._ready)

    def ingest_status(self) -> list[dict[str, Any]]:
        """Of each ingest process, where there are several."""
        return [
            {name: value for name, value in asdict(each).items() if name != "pid"}
            for each in (self.ingests.status if self.ingests is not None else [])
        ]

    def _why_not(self) -> str | None:
        """Why one session more would be too many; where hints are held, no plan is kept to."""
        if not self.settings.admission or self._held is not None:
            return None
        loops = [each.loop for each in self.ingests.status] if self.ingests is not None else []
        planned = self.controller.assignments
        there = sum(session.id in planned for session in self.sessions)
        stay = there / max(1, len(planned))  # the others have left since the plan was made
        return why_not(
            AdmissionState(
                devices=self.controller.least_load * stay,
                core=min(loops, default=self._core.mean) * stay,
                measured=there,
                newcomers=len(self.sessions) - there,
                room=self.controller.room if there == len(planned) else None,
            )
        )

    def _make_session(self, **wishes: object) -> SessionInterface:
        if self.ingests is not None:
            return self.ingests.make(**wishes)  # type: ignore[arg-type]  # whip.py has checked them
        assert self.dispatcher is not None, "sessions come only once devices are ready"
        settings = self.settings
        hints = SessionAdaptation(settings.network, settings.edges, settings.max_bps, self._held)
        return Session(
            settings,
            self.dispatcher,
            hints,
            class_names=self._names,
            on_step=lambda: self.controller.notify("link"),
            meter=self.meter,
            **wishes,  # type: ignore[arg-type]  # whip.py has checked them
        )

    def _live_profiles(self) -> list[LatencyProfile]:
        """Of the devices that can take batches now."""
        profiles = self.pool.profiles
        return [profiles[number] for number in self.ready_devices]

    def _notify(self, event: str) -> None:
        self.controller.notify(event)

    def _on_done(self, device: int, number: int, outcome: Result | Failure) -> None:
        if self.dispatcher is not None:
            self.dispatcher.done(device, number, outcome)

    def _on_device_state(self, device: int, state: str) -> None:
        log.info("event=device_state device=%s state=%s", self.settings.device[device], state)
        if self.dispatcher is None:
            return  # still starting: `start` looks at the states when all are there
        ready = state == "ready"
        (self._ready.add if ready else self._ready.discard)(device)
        self.dispatcher.device_state(device, ready)
        self.controller.notify("device")

    def _on_progress(self, device: int, done: int, total: int, text: str) -> None:
        self._say(f"{self.settings.device[device]}: {text} ({done}/{total})")

    async def _tick(self) -> None:
        """Sessions look at the time ten times a second; how late that comes is the loop's lag."""
        due_ms = look_ms = now_ms() + TICK_MS
        while True:
            await asyncio.sleep(max(0.0, due_ms - now_ms()) / 1000.0)
            lag_ms = now_ms() - due_ms
            self._core.observe(time.thread_time(), now_ms())
            self.lag.add(max(0.0, lag_ms))
            self.loop_lag_ms = max(lag_ms, self.loop_lag_ms * 0.98)  # fades within seconds
            try:
                self.sessions.tick()
                if now_ms() >= look_ms:
                    look_ms = max(look_ms + EVERY_MS, now_ms())
                    self._overview.look()
                    self._admin.tell()
            except Exception:
                log.exception("event=tick_failed")
            due_ms = max(due_ms + TICK_MS, now_ms())


def _slots(settings: Settings) -> int:
    """Pictures in flight to a worker."""
    return max(DEFAULT_SLOTS, 2 * settings.max_batch)


def _profiles(settings: Settings) -> list[LatencyProfile] | None:
    """The devices' known latencies; None: they are measured, quickly, as they start."""
    try:
        if settings.profile:
            return [load_latency_profile(path) for path in settings.profile]
        profile = find_stored_profile(settings)
        return None if profile is None else [profile]
    except OSError as error:
        raise StartError(f"profile: {error}") from error


def _accuracy(settings: Settings) -> AccuracyProfile:
    """What the network sees of what is sent; a network that was not measured is taken for
    YOLOv4-tiny, and the log says so."""
    path = settings.accuracy or PROFILES / f"accuracy-{settings.network}.json"
    stand_in = None
    if settings.accuracy is None and not path.is_file():
        stand_in = "yolov4-tiny"
        path = PROFILES / f"accuracy-{stand_in}.json"
        log.info("event=accuracy_assumed network=%s as=%s", settings.network, stand_in)
    try:
        return load_accuracy_profile(path, as_network=stand_in)
    except (AccuracyError, OSError) as error:
        raise StartError(f"accuracy: {error}") from error


def _why_not(error: OSError, settings: Settings) -> str:
    where = f"{settings.host} port {settings.port}"
    if error.errno == errno.EADDRINUSE:
        return f"{where} is in use by another program: choose another with --port"
    if error.errno == errno.EACCES:
        return f"{where}: not allowed; ports below 1024 need privileges: choose another --port"
    return f"cannot listen on {where}: {error.strerror or error}"
