"""A director's `/metrics`: the fleet, and what each node says of itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import get_args

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from edge.fleet.director.node_status import NodeStatus
from edge.fleet.known_node import Liveness

_GAUGES: dict[str, tuple[str, Callable[[NodeStatus], float]]] = {
    "sessions": ("Sessions of a node, by its last beat", lambda node: node.sessions),
    "room": ("Sessions that a node would still admit", lambda node: node.room),
    "load": ("Share of a node's capacity that is in use", lambda node: node.load),
    "draining": ("1 while a node takes no newcomers", lambda node: node.draining),
    "doubled": ("1 while two processes use a node's name", lambda node: node.doubled),
    "settings_differ": (
        "1 while a node has other settings than most nodes of its version",
        lambda node: node.settings_differ,
    ),
}


class FleetMetrics(Collector):
    """Written from the nodes as they are, and what would still be admitted."""

    def __init__(self) -> None:
        self._nodes: Sequence[NodeStatus] = ()
        self._free_sessions = 0
        self._engine_connected = False
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def write(
        self, nodes: Sequence[NodeStatus], *, free_sessions: int, engine_connected: bool
    ) -> bytes:
        """In Prometheus' text format."""
        self._nodes = nodes
        self._free_sessions, self._engine_connected = free_sessions, engine_connected
        return generate_latest(self._registry)

    def describe(self) -> list[Metric]:
        return []  # `collect` is not called at registration

    def collect(self) -> Iterator[Metric]:
        nodes = self._nodes
        alive = [node for node in nodes if node.state != "gone"]
        yield GaugeMetricFamily(
            "edge_fleet_free_sessions",
            "Sessions that the nodes would still admit",
            self._free_sessions,
        )
        yield GaugeMetricFamily(
            "edge_fleet_sessions",
            "Sessions of all nodes that are not gone",
            sum(node.sessions for node in alive),
        )
        yield GaugeMetricFamily(
            "edge_fleet_engine_connected",
            "1 while the engine is connected",
            float(self._engine_connected),
        )
        states = GaugeMetricFamily("edge_fleet_nodes", "Nodes by liveness", labels=["state"])
        counts = Counter("stopped" if node.stopped else node.state for node in nodes)
        for state in (*get_args(Liveness), "stopped"):
            states.add_metric([state], counts[state])
        yield states
        versions = GaugeMetricFamily(
            "edge_fleet_version_nodes", "Nodes that are not gone by version", labels=["version"]
        )
        for version, count in sorted(Counter(node.version for node in alive).items()):
            versions.add_metric([version], count)
        yield versions
        for name, (text, value) in _GAUGES.items():
            family = GaugeMetricFamily(f"edge_fleet_node_{name}", text, labels=["node"])
            for node in alive:
                family.add_metric([node.node], float(value(node)))
            yield family
        yield from self._frames(alive)

    def _frames(self, alive: Sequence[NodeStatus]) -> Iterator[Metric]:
        frames = CounterMetricFamily(
            "edge_fleet_node_frames",
            "Frames of a node's sessions since it started, in time or missed",
            labels=["node", "end"],
        )
        for node in alive:
            if node.in_time_since_start is not None and node.missed_since_start is not None:
                frames.add_metric([node.node, "in_time"], node.in_time_since_start)
                frames.add_metric([node.node, "missed"], node.missed_since_start)
        yield frames
