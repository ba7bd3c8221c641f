"""A director's view of the fleet for operators: `/api/nodes`, draining, and `/metrics`.

Authorisation is done by `edge.api.access.auth` before any handler runs, as on a server.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any, get_args
from urllib.parse import urlsplit

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from edge.api.errors import json_error
from edge.base.clock import now_ms
from edge.fleet.engine import Engine
from edge.fleet.fleet_view import FleetView
from edge.fleet.known_node import KnownNode, Liveness
from edge.fleet.subjects import DRAIN, subject

DRAIN_S = 2.0  # for a node's reply by the engine


class OperatorApi(Collector):
    """Handlers, and the collector of the metrics, over the view of the nodes."""

    def __init__(self, view: FleetView, engine: Engine) -> None:
        self._view = view
        self._engine = engine
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            web.get("/api/nodes", self._nodes),
            web.get("/api/nodes/http_sd", self._targets),
            web.post("/api/nodes/{node:[A-Za-z0-9_-]+}/drain", self._drain),
            web.get("/metrics", self._metrics),
        ]

    async def _nodes(self, request: web.Request) -> web.Response:
        now = now_ms()
        nodes = [_to_json(node, now) for node in sorted(self._view, key=lambda node: node.name)]
        alive = [node for node in self._view if node.liveness(now) != "gone"]
        return web.json_response(
            {
                "nodes": nodes,
                "sessions": sum(node.beat.sessions for node in alive),
                "free_sessions": self._free_sessions(now),
                "engine_connected": self._engine.is_connected,
            }
        )

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
        if request.content_type != "application/json":  # a cross-site form cannot send it
            return json_error(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "media_type", "the body is application/json"
            )
        name = request.match_info["node"]
        if self._view.get(name) is None:
            return json_error(HTTPStatus.NOT_FOUND, "no_node", f"no node is called {name}")
        body = await request.read()
        reply = await self._engine.request(subject(DRAIN, name), body or b"{}", DRAIN_S)
        if reply is None:
            return json_error(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "no_answer",
                f"{name} does not answer by the engine: try again, or drain it at its own address",
            )
        said: dict[str, Any] = json.loads(reply)
        return web.json_response(said, status=400 if "error" in said else 200)

    def _free_sessions(self, now: float) -> int:
        return sum(node.room for node in self._view if node.takes_sessions(now))

    async def _metrics(self, request: web.Request) -> web.Response:
        body = generate_latest(self._registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    def describe(self) -> list[Metric]:
        return []  # `collect` is not called at registration

    def collect(self) -> Iterator[Metric]:
        now = now_ms()
        nodes = list(self._view)
        yield GaugeMetricFamily(
            "edge_fleet_free_sessions",
            "Sessions that the nodes would still admit",
            self._free_sessions(now),
        )
        yield GaugeMetricFamily(
            "edge_fleet_engine_connected",
            "1 while the engine is connected",
            float(self._engine.is_connected),
        )
        states = GaugeMetricFamily("edge_fleet_nodes", "Nodes by liveness", labels=["state"])
        counts = Counter(node.liveness(now) for node in nodes)
        for state in get_args(Liveness):
            states.add_metric([state], counts[state])
        yield states
        gauges: dict[str, tuple[str, Callable[[KnownNode], float]]] = {
            "sessions": ("Sessions of a node, by its last beat", lambda node: node.beat.sessions),
            "room": ("Sessions that a node would still admit", lambda node: node.room),
            "load": ("Share of a node's capacity that is in use", lambda node: node.load),
            "draining": ("1 while a node takes no newcomers", lambda node: node.beat.draining),
        }
        alive = [node for node in nodes if node.liveness(now) != "gone"]
        for name, (text, value) in gauges.items():
            family = GaugeMetricFamily(f"edge_fleet_node_{name}", text, labels=["node"])
            for node in alive:
                family.add_metric([node.name], float(value(node)))
            yield family


def _to_json(node: KnownNode, now: float) -> dict[str, Any]:
    """All but its key."""
    beat = node.beat
    return {
        "node": node.name,
        "url": beat.url,
        "state": node.liveness(now),
        "silent_ms": round(node.silent_ms(now)),
        "doubled": node.is_doubled(now),
        "version": beat.version,
        "incarnation": beat.incarnation,
        "settings": beat.settings,
        "ready": beat.ready,
        "draining": beat.draining,
        "sessions": beat.sessions,
        "room": node.room,
        "load": round(node.load, 3),
    }
