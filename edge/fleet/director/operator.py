"""A director's view of the fleet for operators: the admin page, its API, and `/metrics`.

Authorisation is done by `edge.api.access.auth` before any handler runs, as on a server.
"""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from pydantic import ValidationError

import edge
from edge.api.errors import json_error, link
from edge.api.pages import templates
from edge.base.clock import now_ms
from edge.config import Settings
from edge.fleet.director.metrics import FleetMetrics
from edge.fleet.director.node_status import NodeStatus, statuses
from edge.fleet.director.reports import Reports
from edge.fleet.director.session_list import SessionQuery, Source, select
from edge.fleet.director.verdict import verdict
from edge.fleet.engine import Engine
from edge.fleet.fleet_view import FleetView
from edge.fleet.report import MissLimits
from edge.fleet.subjects import ACT, DRAIN, subject
from edge.profile.variant import SENT_LONG_SIDES

REPLY_S = 2.0  # for a node's by the engine
_NODE = "/api/nodes/{node:[A-Za-z0-9_-]+}"
_SESSION = _NODE + "/sessions/{name:[A-Za-z0-9_-]+}"


class OperatorApi:
    """Handlers over the view of the nodes and their reports."""

    def __init__(
        self, settings: Settings, view: FleetView, engine: Engine, reports: Reports
    ) -> None:
        self._settings = settings
        self._view = view
        self._engine = engine
        self._reports = reports
        self._limits = MissLimits(settings.amber_misses, settings.red_misses)
        self._measures = FleetMetrics()
        self._template = templates().get_template("fleet.html")

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            web.get("/admin", self._page),
            web.get("/api/nodes", self._nodes),
            web.get("/api/nodes/http_sd", self._targets),
            web.post(_NODE + "/drain", self._drain),
            web.get("/api/sessions", self._sessions),
            web.post(_SESSION + "/actions", self._act),
            web.get("/metrics", self._metrics),
        ]

    async def _page(self, request: web.Request) -> web.Response:
        settings = self._settings
        public = {
            "amber_misses": settings.amber_misses,
            "red_misses": settings.red_misses,
            "edges": list(SENT_LONG_SIDES),
            "variants": [],  # each node's own
        }
        text = self._template.render(
            settings=public, version=edge.__version__, root=link(request, "")
        )
        return web.Response(text=text, content_type="text/html")

    # The API

    async def _nodes(self, request: web.Request) -> web.Response:
        await self._reports.refresh()
        now = now_ms()
        nodes = self._statuses(now)
        free_sessions = self._free_sessions(now)
        judged = verdict(
            nodes,
            engine_connected=self._engine.is_connected,
            free_sessions=free_sessions,
            limits=self._limits,
        )
        return web.json_response(
            {
                "verdict": judged.to_json(),
                "nodes": [node.to_json() for node in nodes],
                "sessions": sum(node.sessions for node in nodes if node.state != "gone"),
                "free_sessions": free_sessions,
                "engine_connected": self._engine.is_connected,
            }
        )

    async def _sessions(self, request: web.Request) -> web.Response:
        """Of all nodes that are not gone; the query: see SessionQuery."""
        try:
            query = SessionQuery.model_validate(dict(request.query))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"]))
            message = f"`{place}`: {first['msg']}"
            return json_error(HTTPStatus.BAD_REQUEST, "bad_query", message)
        await self._reports.refresh()
        now = now_ms()
        sources = [
            Source(heard.report, node.beat.url, max(0.0, now - heard.at_ms))
            for node in self._view
            if node.liveness(now) != "gone" and (heard := self._reports.of(node)) is not None
        ]
        # Thousands of rows take tens of milliseconds, in which publishers would wait.
        text = await asyncio.to_thread(lambda: json.dumps(select(sources, query, self._limits)))
        return web.Response(text=text, content_type="application/json")

    async def _targets(self, request: web.Request) -> web.Response:
        """Prometheus' HTTP service discovery: the nodes' own `/metrics`."""
        now = now_ms()
        groups = []
        for node in sorted(self._view, key=lambda node: node.name):
            if node.liveness(now) != "gone":
                url = urlsplit(node.beat.url)
                labels = {"node": node.name, "__scheme__": url.scheme}
                labels |= {"__metrics_path__": f"{url.path}/metrics"}
                groups.append({"targets": [url.netloc], "labels": labels})
        return web.json_response(groups)

    async def _drain(self, request: web.Request) -> web.Response:
        """The node's reply to `{"on": true}` or `{"on": false}`."""
        if (refusal := self._refusal(request)) is not None:
            return refusal
        return await self._reply_of(request, DRAIN, await request.read() or b"{}")

    async def _act(self, request: web.Request) -> web.Response:
        """The node's reply to an action of the admin API on one of its sessions."""
        if (refusal := self._refusal(request)) is not None:
            return refusal
        try:
            action = json.loads(await request.read())
        except ValueError:
            return json_error(HTTPStatus.BAD_REQUEST, "bad_action", "the action: a JSON object")
        message = {"session": request.match_info["name"], "action": action}
        return await self._reply_of(request, ACT, json.dumps(message).encode())

    def _refusal(self, request: web.Request) -> web.Response | None:
        if request.content_type != "application/json":  # a cross-site form cannot send it
            return json_error(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "media_type", "the body is application/json"
            )
        name = request.match_info["node"]
        if self._view.get(name) is None:
            return json_error(HTTPStatus.NOT_FOUND, "no_node", f"no node is called {name}")
        return None

    async def _reply_of(self, request: web.Request, kind: str, message: bytes) -> web.Response:
        name = request.match_info["node"]
        reply = await self._engine.request(subject(kind, name), message, REPLY_S)
        if reply is None:
            return json_error(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "no_answer",
                f"{name} does not answer by the engine: try again, or use the node's own address",
            )
        said: dict[str, Any] = json.loads(reply)
        if "error" not in said:
            return web.json_response(said)
        code = said["error"].get("code")
        status = HTTPStatus.NOT_FOUND if code == "no_session" else HTTPStatus.BAD_REQUEST
        return web.json_response(said, status=status)

    async def _metrics(self, request: web.Request) -> web.Response:
        await self._reports.refresh()
        now = now_ms()
        body = self._measures.write(
            self._statuses(now),
            free_sessions=self._free_sessions(now),
            engine_connected=self._engine.is_connected,
        )
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    def _statuses(self, now: float) -> list[NodeStatus]:
        return statuses(self._view, self._reports.of, now, self._limits)

    def _free_sessions(self, now: float) -> int:
        return sum(node.room for node in self._view if node.takes_sessions(now))
