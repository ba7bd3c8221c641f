"""A server as a node of a fleet: it beats, and answers directors.

The server does not depend on it: with the engine away, hung or never there it serves as it would
alone, and directors that know it go on asking it directly (`GET /fleet/look`).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web
from pydantic import BaseModel, SecretStr

import edge
from edge.api.access.auth import AccessControl
from edge.api.errors import json_error
from edge.api.http_server import HttpServer
from edge.base.clock import now_ms
from edge.base.event_log import get_logger
from edge.base.node_name import default_node_name
from edge.capacity import ServerCapacity
from edge.config import Settings
from edge.config.fleet import CredentialsError, FleetSettings
from edge.fleet.beat import PERIOD_MS, Beat
from edge.fleet.engine import Engine, EngineError
from edge.fleet.own_address import own_url
from edge.fleet.subjects import ACT, BEAT, DRAIN, LOOK, LOOK_PATH, REPORT_PATH, subject
from edge.session.registry.session_registry import SessionRegistry
from edge.startup import StartError

log = get_logger("edge.fleet.node")

# Of the machine, not of what a session gets.
_OWN_SETTINGS = {
    *("host", "port", "http", "cert", "key", "device", "profile", "threads", "fleet", "announce"),
    *("log_format", "log_file", "log_file_bytes", "log_files", "history_hours", "history_bytes"),
}


class FleetNode:
    """Beats from `start` to `stop`. `routes` are for the server's HTTP."""

    def __init__(
        self,
        settings: Settings,
        *,
        http: HttpServer,
        access: AccessControl,
        sessions: SessionRegistry,
        capacity: ServerCapacity,
        act: Callable[[str, str], Awaitable[dict[str, Any] | None]],
        page: Mapping[str, object],
        report: Callable[[str, str], bytes],
    ) -> None:
        """StartError where the fleet's settings cannot be used. `act`: see AdminApi.act. `page`:
        the publisher's page's settings, for directors to show it. `report`: of the sessions, with
        this node's name and incarnation."""
        assert settings.fleet is not None
        self._settings = settings
        self._fleet: FleetSettings = settings.fleet
        self._http = http
        self._access = access
        self._sessions = sessions
        self._capacity = capacity
        self._act_on = act
        self._page = page
        self._report = report
        self.name = ""
        self._url = ""
        self._incarnation = secrets.token_hex(8)
        self._settings_hash = settings_hash(settings)
        self._seq = 0
        self._task: asyncio.Task[None] | None = None
        try:
            self._engine = Engine(self._fleet, "edge node")
        except CredentialsError as error:
            raise StartError(f"fleet.creds: {error}") from error
        except EngineError as error:
            raise StartError(str(error)) from error

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            web.get(LOOK_PATH, self._look_directly),
            web.get(REPORT_PATH, self._report_directly),
        ]

    async def start(self) -> None:
        """To be called once the server listens."""
        fleet, port = self._fleet, self._http.port
        is_https = bool(self._http.certificate_fingerprint)
        self._url = (fleet.url or "").rstrip("/") or await own_url(
            self._settings.host, port, is_https=is_https, engine_url=fleet.servers[0]
        )
        # With a login: the engine lets it speak in that name.
        self.name = (
            fleet.name
            or self._engine.user
            or default_node_name(socket.gethostname(), port, self._url)
        )
        for kind, answer in ((LOOK, self._look), (ACT, self._act), (DRAIN, self._drain)):
            self._engine.subscribe(subject(kind, self.name), answer)
        log.info("node", node=self.name, url=self._url, incarnation=self._incarnation)
        self._engine.start()
        self._task = asyncio.create_task(self._beat(), name="edge-beat")

    async def stop(self) -> None:
        """Its last beat says that it takes no sessions."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            last = self.beat().model_copy(update={"ready": False, "draining": True})
            await self._engine.publish(subject(BEAT, self.name), last.to_bytes())
        await self._engine.stop()

    def beat(self) -> Beat:
        """Of now."""
        sessions = self._sessions
        # The estimate of free sessions is of those connected; half-open ones will need some.
        room = max(0, self._capacity.free_sessions - sessions.half_open)
        taken = len(sessions)
        self._seq += 1
        return Beat(
            node=self.name,
            incarnation=self._incarnation,
            seq=self._seq,
            version=edge.__version__,
            url=self._url,
            # A URL of the settings' is a proxy's, with a certificate that is checked as usual.
            fingerprint="" if self._fleet.url else self._http.certificate_fingerprint,
            key=self._access.directors.key,
            sessions=taken,
            load=taken / (taken + room) if taken + room else 1.0,
            room=room,
            ready=sessions.ready,
            draining=sessions.draining,
            settings=self._settings_hash,
        )

    async def _beat(self) -> None:
        due_ms = now_ms()
        while True:
            try:
                await self._engine.publish(subject(BEAT, self.name), self.beat().to_bytes())
            except Exception:
                log.exception("beat_failed")
            due_ms = max(due_ms + PERIOD_MS, now_ms())
            await asyncio.sleep((due_ms - now_ms()) / 1000.0)

    def _looks(self) -> dict[str, Any]:
        return {"beat": self.beat().model_dump(), "page": dict(self._page)}

    async def _look(self, data: bytes) -> bytes:
        return json.dumps(self._looks()).encode()

    async def _look_directly(self, request: web.Request) -> web.Response:
        """The same by HTTP: a director asks so when it hears no beats."""
        if not self._access.directors.vouch_for(request):
            return json_error(HTTPStatus.NOT_FOUND, "not_found", "Not Found")
        return web.json_response(self._looks(), headers={"Cache-Control": "no-store"})

    async def _report_directly(self, request: web.Request) -> web.Response:
        """Its sessions, whether or not the engine is there."""
        if not self._access.directors.vouch_for(request):
            return json_error(HTTPStatus.NOT_FOUND, "not_found", "Not Found")
        body = self._report(self.name, self._incarnation)
        headers = {"Cache-Control": "no-store"}
        return web.Response(body=body, content_type="application/json", headers=headers)

    async def _act(self, data: bytes) -> bytes:
        """An operator's action on a session: `{"session": NAME, "action": {...}}`."""
        try:
            message = _object(data)
            name, action = str(message.get("session", "")), json.dumps(message.get("action"))
            done = await self._act_on(name, action)
        except ValueError as error:  # ActionError is one
            return _refusal("bad_action", str(error))
        if done is None:
            return _refusal("no_session", "there is no such session")
        return json.dumps({"done": done}).encode()

    async def _drain(self, data: bytes) -> bytes:
        """`{"on": true}` or `{"on": false}`; without data, it is drained."""
        try:
            on = _object(data or b'{"on": true}').get("on")
        except ValueError as error:
            return _refusal("bad_drain", str(error))
        if not isinstance(on, bool):
            return _refusal("bad_drain", "`on`: true or false")
        self._sessions.drain(on)
        return json.dumps({"draining": on}).encode()


def settings_hash(settings: Settings) -> str:
    """The same on nodes that would serve a session alike. Of secrets it has whether they are set
    alone, since it can be guessed at."""
    plain = {name: _plain(value) for name, value in settings if name not in _OWN_SETTINGS}
    text = json.dumps(plain, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _plain(value: Any) -> Any:
    match value:
        case SecretStr():
            return "set"
        case BaseModel():
            return {name: _plain(each) for name, each in value}
        case list() | tuple():
            return [_plain(each) for each in value]
        case _:
            return value


def _object(data: bytes) -> dict[str, Any]:
    """The message's JSON object; ValueError if it is none."""
    message = json.loads(data)
    if not isinstance(message, dict):
        raise ValueError("the message: a JSON object")
    return message


def _refusal(code: str, message: str) -> bytes:
    return json.dumps({"error": {"code": code, "message": message}}).encode()
