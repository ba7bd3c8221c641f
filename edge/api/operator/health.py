"""Liveness and readiness for balancers and service managers: `/healthz` and `/readyz`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from aiohttp import web

from edge.api.access.auth import AccessControl
from edge.inference import Devices
from edge.ingest.handle import IngestStatus
from edge.observability.event_loop import EventLoopMonitor
from edge.session.registry.session_registry import SessionRegistry

_STATUS_OF_REFUSAL = {"draining": "draining", "not_ready": "starting", "full": "full"}


class HealthEndpoint:
    """Handlers of the two routes, open to everybody; counts are for administrators."""

    def __init__(
        self,
        *,
        access: AccessControl,
        sessions: SessionRegistry,
        devices: Devices,
        ingest: Callable[[], Sequence[IngestStatus]],
        event_loop: EventLoopMonitor,
    ) -> None:
        self._access = access
        self._sessions = sessions
        self._devices = devices
        self._ingest = ingest
        self._event_loop = event_loop

    def routes(self) -> list[web.AbstractRouteDef]:
        return [web.get("/healthz", self._healthz), web.get("/readyz", self._readyz)]

    async def _healthz(self, request: web.Request) -> web.Response:
        """200 once sessions can be served, 503 before."""
        ready = self._sessions.ready
        code, status = (200, "ok") if ready else (503, "starting")
        if not self._access.may_see_counts(request):
            return web.json_response({"status": status}, status=code)
        ingest = [each.to_json() for each in self._ingest()]
        lag_ms = max(self._event_loop.lag_ms, *(each["lag_ms"] for each in ingest), 0.0)
        body = {
            "status": status,
            "sessions": len(self._sessions),
            "devices_ready": len(self._devices.ready),
            "devices": len(self._devices.status),
            "loop_lag_ms": round(lag_ms, 1),
            "tasks": len(asyncio.all_tasks()) + sum(each["tasks"] for each in ingest),
            "ingest": ingest,
        }
        return web.json_response(body, status=code)

    async def _readyz(self, request: web.Request) -> web.Response:
        """200 while a new session would be admitted, 503 with the reason otherwise."""
        refusal = self._sessions.refusal()
        if refusal is None:
            return web.json_response({"status": "ready"})
        status = _STATUS_OF_REFUSAL.get(refusal.code, "busy")
        return web.json_response({"status": status}, status=503)
