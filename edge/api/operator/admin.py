"""The operator's interface: admin pages, their event stream, the JSON API and its actions.

Authorisation is done by `edge.api.access.auth` before any of these handlers runs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

import edge
from edge.api.errors import json_error, link
from edge.api.operator.dashboard import MISSES, Dashboard
from edge.api.operator.history_api import HistoryApi
from edge.api.pages import templates
from edge.api.sse import event_stream
from edge.base.clock import now_ms
from edge.capacity import ServerCapacity
from edge.config import Settings
from edge.models.registry.registry import ModelRegistry
from edge.observability.history.store import HistoryStore
from edge.observability.refusals import Refusals
from edge.profile.variant import SENT_LONG_SIDES, Variant
from edge.session.control import actions
from edge.session.control.control_messages import describe
from edge.session.registry.session_registry import SessionRegistry
from edge.session.results.result_streams import ResultStreams, TooManyStreamsError, put_newest
from edge.sinks.sink_set import SinkSet

OPENAPI = Path(__file__).parents[1] / "openapi.yaml"
STREAMS = 16  # pages that are open; the next is refused
DEPTH = 2  # states waiting for a slow page; the oldest is dropped


class _Drain(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    on: bool


class AdminApi:
    """Handlers over the sessions and the dashboard."""

    def __init__(
        self,
        settings: Settings,
        models: ModelRegistry,
        *,
        sessions: SessionRegistry,
        dashboard: Dashboard,
        sinks: SinkSet,
        refusals: Refusals,
        capacity: ServerCapacity,
        history: HistoryStore,
    ) -> None:
        self._settings = settings
        self._sessions = sessions
        self._dashboard = dashboard
        self._sinks = sinks
        self._refusals = refusals
        self._capacity = capacity
        self._kept = HistoryApi(history)
        self._streams = ResultStreams(STREAMS, DEPTH)
        self._texts: dict[str, str] = {}  # messages of the latest refresh, for all event streams
        self._texts_s = 0.0
        self._templates = templates()
        self._variants = [name for model in models for name in model.variants]

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            web.get("/admin", self._page),
            web.get("/admin/session/{name}", self._page),
            web.get("/admin/events", self._events),
            web.get("/api/openapi.yaml", self._openapi),
            web.get("/api/sessions", self._list_sessions),
            web.get("/api/sessions/{name}", self._session),
            web.get("/api/sessions/{name}/history", self._history),
            web.get("/api/sessions/{name}/picture", self._picture),
            web.post("/api/sessions/{name}/actions", self._act),
            web.get("/api/workers", self._workers),
            web.get("/api/plan", self._plan),
            *self._kept.routes(),
            web.get("/api/capacity", self._tell_capacity),
            web.get("/api/sinks", self._list_sinks),
            web.get("/api/refusals", self._list_refusals),
            web.post("/api/drain", self._drain),
        ]

    def publish_state(self) -> None:
        """Send the dashboard's latest state to all open event streams."""
        if self._streams:
            self._streams.put(self._state())

    def close(self) -> None:
        """End all event streams."""
        self._streams.end()

    # Pages

    async def _page(self, request: web.Request) -> web.Response:
        settings = self._settings
        public = {
            "session": request.match_info.get("name"),
            "slo_ms": settings.slo_ms,
            "variants": self._variants,
            "edges": list(SENT_LONG_SIDES),
            "misses": list(MISSES),
            "devices": len(settings.device),
            "pictures": settings.admin_pictures,
            "amber_misses": settings.amber_misses,
            "red_misses": settings.red_misses,
            "history_hours": settings.history_hours,
            "places": {
                "zones": [_public(zone, "polygon") for zone in settings.zones],
                "lines": [_public(line, "start", "end") for line in settings.lines],
                "rules": [_public(rule, "zone") for rule in settings.rules],
            },
        }
        template = self._templates.get_template("admin.html")
        return web.Response(
            text=template.render(settings=public, version=edge.__version__, root=link(request, "")),
            content_type="text/html",
        )

    async def _events(self, request: web.Request) -> web.StreamResponse:
        try:
            with self._streams.open(self._history_text()) as queue:
                if len(self._dashboard.history.fleet):  # it has been refreshed at least once
                    put_newest(queue, self._state())
                return await event_stream(request, queue)
        except TooManyStreamsError as error:
            return json_error(HTTPStatus.TOO_MANY_REQUESTS, "too_many", str(error))

    def _state(self) -> str:
        return self._written_once("state", self._dashboard.state_message)

    def _history_text(self) -> str:
        return self._written_once("history", self._dashboard.history_message)

    def _written_once(self, name: str, message: Callable[[], dict[str, Any]]) -> str:
        """The message as JSON, the same one until the next refresh: a client that opens streams
        again and again costs no more than one that opens a single one."""
        if self._texts_s != self._dashboard.refreshed_s:
            self._texts, self._texts_s = {}, self._dashboard.refreshed_s
        if name not in self._texts:
            self._texts[name] = _text(message())
        return self._texts[name]

    # The API

    async def _openapi(self, request: web.Request) -> web.StreamResponse:
        return web.FileResponse(OPENAPI, headers={"Content-Type": "application/yaml"})

    async def _list_sessions(self, request: web.Request) -> web.Response:
        sessions = [self._dashboard.session(view) for view in self._sessions.views()]
        return web.json_response({"sessions": sessions})

    async def _session(self, request: web.Request) -> web.Response:
        session = self._sessions.by_name(request.match_info["name"])
        if session is None:
            return _no_session()
        return web.json_response(self._dashboard.session(session.view(now_ms())))

    async def _history(self, request: web.Request) -> web.Response:
        ring = self._dashboard.history.sessions.get(request.match_info["name"])
        return _no_session() if ring is None else web.json_response(ring.to_json())

    async def _picture(self, request: web.Request) -> web.Response:
        if not self._settings.admin_pictures:
            return json_error(
                HTTPStatus.FORBIDDEN, "switched_off", "pictures are not shown: see admin_pictures"
            )
        session = self._sessions.by_name(request.match_info["name"])
        if session is None:
            return _no_session()
        picture = await session.last_picture()
        if picture is None:
            return json_error(HTTPStatus.NOT_FOUND, "no_picture", "no frame has been answered yet")
        return web.Response(text=picture, content_type="application/json")

    async def _workers(self, request: web.Request) -> web.Response:
        devices = [device.to_json() for device in self._dashboard.device_views]
        return web.json_response({"workers": devices})

    async def _list_sinks(self, request: web.Request) -> web.Response:
        return web.json_response({"sinks": [sink.to_json() for sink in self._sinks]})

    async def _tell_capacity(self, request: web.Request) -> web.Response:
        return web.json_response(self._capacity.to_json())

    async def _list_refusals(self, request: web.Request) -> web.Response:
        """New sessions that were refused: counts since the start, and the latest ones."""
        latest = self._refusals.latest()
        return web.json_response({"counts": self._refusals.counts, "latest": latest})

    async def _plan(self, request: web.Request) -> web.Response:
        return web.json_response({"plan": self._dashboard.plan()})

    async def _act(self, request: web.Request) -> web.Response:
        body = await _json_body(request)
        if isinstance(body, web.Response):
            return body
        try:
            done = await self.act(request.match_info["name"], body)
        except actions.ActionError as error:
            return json_error(HTTPStatus.BAD_REQUEST, "bad_action", str(error))
        return _no_session() if done is None else web.json_response({"done": done})

    async def act(self, name: str, text: str | bytes) -> dict[str, Any] | None:
        """Carry out an action, in JSON, on a session: what was done, or None if there is no such
        session. ActionError for an action that is not valid."""
        action = actions.read(text)
        pinned = action.variant if isinstance(action, actions.PinVariant) else None
        if pinned is not None and pinned not in (variants := self._variants_of(name)):
            raise actions.ActionError(f"`variant`: one of {', '.join(variants)}")
        return action.model_dump() if await self._sessions.act(name, action) else None

    def _variants_of(self, name: str) -> list[str]:
        """Variants of the models that may serve a session; all if there is no such session."""
        session = self._sessions.by_name(name)
        models = () if session is None else session.view(now_ms()).models
        return [
            variant
            for variant in self._variants
            if not models or Variant.parse(variant).network in models
        ]

    async def _drain(self, request: web.Request) -> web.Response:
        body = await _json_body(request)
        if isinstance(body, web.Response):
            return body
        try:
            drain = _Drain.model_validate_json(body)
        except ValidationError as error:
            return json_error(HTTPStatus.BAD_REQUEST, "bad_body", describe(error))
        self._sessions.drain(drain.on)
        return web.json_response({"draining": self._sessions.draining})


def _no_session() -> web.Response:
    return json_error(HTTPStatus.NOT_FOUND, "no_session", "there is no such session")


async def _json_body(request: web.Request) -> bytes | web.Response:
    """The body, or the refusal of any other media type: a cross-site form cannot send JSON."""
    if request.content_type != "application/json":
        return json_error(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "media_type", "the body is application/json"
        )
    return await request.read()


def _public(place: BaseModel, *keys: str) -> dict[str, Any]:
    """What the page draws of a zone, a line or a rule."""
    return place.model_dump(mode="json", include={"name", *keys})


def _text(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
