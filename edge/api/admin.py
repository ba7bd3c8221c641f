"""For the people who run it: the admin pages, the JSON API, and what can be done by it.

Who may is `edge.api.auth`'s to say, before any of these handlers runs.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

import edge
from edge.api.auth import refusal
from edge.api.pages import templates
from edge.api.sse import event_stream
from edge.clock import now_ms
from edge.observability.dashboard import MISSES, Dashboard
from edge.profile.variant import SENT_LONG_SIDES, Variant
from edge.session import actions
from edge.session.control_messages import describe
from edge.session.result_streams import ResultStreams, put_newest

if TYPE_CHECKING:
    from edge.server import Server

OPENAPI = Path(__file__).with_name("openapi.yaml")
STREAMS = 16  # pages that watch; the next is refused
DEPTH = 2  # states waiting for a slow page; the oldest gives way


class _Drain(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    on: bool


class AdminApi:
    """Handlers over a running server and its overview."""

    def __init__(self, server: Server, overview: Dashboard) -> None:
        self._server = server
        self._overview = overview
        self._streams = ResultStreams(STREAMS, DEPTH)
        self._templates = templates()
        settings = server.settings
        self._variants = [Variant(settings.network, edge).name for edge in settings.edges]

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            web.get("/admin", self._page),
            web.get("/admin/session/{name}", self._page),
            web.get("/admin/events", self._events),
            web.get("/api/openapi.yaml", self._openapi),
            web.get("/api/sessions", self._sessions),
            web.get("/api/sessions/{name}", self._session),
            web.get("/api/sessions/{name}/history", self._history),
            web.get("/api/sessions/{name}/picture", self._picture),
            web.post("/api/sessions/{name}/actions", self._act),
            web.get("/api/workers", self._workers),
            web.get("/api/plan", self._plan),
            web.post("/api/drain", self._drain),
        ]

    def tell(self) -> None:
        """The overview has looked again: let those who watch know."""
        if self._streams:
            self._streams.put(_text(self._overview.state()))

    def end(self) -> None:
        """No state follows."""
        self._streams.end()

    # Pages

    async def _page(self, request: web.Request) -> web.Response:
        name = request.match_info.get("name")
        settings = self._server.settings
        public = {
            "session": name,
            "slo_ms": settings.slo_ms,
            "variants": self._variants,
            "edges": list(SENT_LONG_SIDES),
            "misses": list(MISSES),
            "devices": len(settings.device),
            "pictures": settings.admin_pictures,
        }
        template = self._templates.get_template("admin.html")
        return web.Response(
            text=template.render(settings=public, version=edge.__version__),
            content_type="text/html",
        )

    async def _events(self, request: web.Request) -> web.StreamResponse:
        try:
            with self._streams.open(_text(self._overview.first())) as queue:
                if len(self._overview.history.fleet):  # else it has not looked yet
                    put_newest(queue, _text(self._overview.state()))
                return await event_stream(request, queue)
        except RuntimeError as refused:
            return refusal(HTTPStatus.TOO_MANY_REQUESTS, "too_many", str(refused))

    # The API

    async def _openapi(self, request: web.Request) -> web.StreamResponse:
        return web.FileResponse(OPENAPI, headers={"Content-Type": "application/yaml"})

    async def _sessions(self, request: web.Request) -> web.Response:
        sessions = [self._overview.session(view) for view in self._server.sessions.views()]
        return web.json_response({"sessions": sessions})

    async def _session(self, request: web.Request) -> web.Response:
        member = self._server.sessions.named(request.match_info["name"])
        if member is None:
            return _no_session()
        return web.json_response(self._overview.session(member.view(now_ms())))

    async def _history(self, request: web.Request) -> web.Response:
        ring = self._overview.history.sessions.get(request.match_info["name"])
        return _no_session() if ring is None else web.json_response(ring.to_json())

    async def _picture(self, request: web.Request) -> web.Response:
        if not self._server.settings.admin_pictures:
            return refusal(
                HTTPStatus.FORBIDDEN, "switched_off", "pictures are not shown: see admin_pictures"
            )
        member = self._server.sessions.named(request.match_info["name"])
        if member is None:
            return _no_session()
        seen = await member.look()
        if seen is None:
            return refusal(HTTPStatus.NOT_FOUND, "no_picture", "no frame has been answered yet")
        return web.Response(text=seen, content_type="application/json")

    async def _workers(self, request: web.Request) -> web.Response:
        return web.json_response(
            {"workers": [device.to_json() for device in self._overview.devices]}
        )

    async def _plan(self, request: web.Request) -> web.Response:
        return web.json_response({"plan": self._overview.plan()})

    async def _act(self, request: web.Request) -> web.Response:
        body = await _json_body(request)
        if isinstance(body, web.Response):
            return body
        try:
            action = actions.read(body)
        except actions.ActionError as error:
            return refusal(HTTPStatus.BAD_REQUEST, "bad_action", str(error))
        if isinstance(action, actions.PinVariant) and action.variant not in (
            None,
            *self._variants,
        ):
            rule = f"`variant`: one of {', '.join(self._variants)}"
            return refusal(HTTPStatus.BAD_REQUEST, "bad_action", rule)
        if not await self._server.sessions.act(request.match_info["name"], action):
            return _no_session()
        return web.json_response({"done": action.model_dump()})

    async def _drain(self, request: web.Request) -> web.Response:
        body = await _json_body(request)
        if isinstance(body, web.Response):
            return body
        try:
            drain = _Drain.model_validate_json(body)
        except ValidationError as error:
            return refusal(HTTPStatus.BAD_REQUEST, "bad_body", describe(error))
        self._server.sessions.drain(drain.on)
        return web.json_response({"draining": self._server.sessions.draining})


def _no_session() -> web.Response:
    return refusal(HTTPStatus.NOT_FOUND, "no_session", "there is no such session")


async def _json_body(request: web.Request) -> bytes | web.Response:
    """JSON only: no form of another site's can send that unasked."""
    if request.content_type != "application/json":
        return refusal(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "media_type", "the body is application/json"
        )
    return await request.read()


def _text(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
