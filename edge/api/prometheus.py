"""Figures for Prometheus, made when they are asked for from what is counted anyway.

No label grows with the number of sessions: legs, reasons and devices are all there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

import edge
from edge.observability.dashboard import MISSES, Dashboard
from edge.observability.metrics_data import BOUNDS_MS, TIMED, Histogram

if TYPE_CHECKING:
    from edge.server import Server

ENDS = ("in_time", "paced", *MISSES)


class MetricsEndpoint(Collector):
    """One server's, in a registry of its own."""

    def __init__(self, server: Server, overview: Dashboard) -> None:
        self._server = server
        self._overview = overview
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def routes(self) -> list[web.AbstractRouteDef]:
        return [web.get("/metrics", self._metrics)]

    async def _metrics(self, request: web.Request) -> web.Response:
        body = generate_latest(self._registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    def describe(self) -> list[Metric]:
        return []  # they are named as they are made

    def collect(self) -> Iterator[Metric]:
        yield from self._frames()
        yield from self._sessions()
        yield from self._devices()
        yield from self._server_itself()

    def _frames(self) -> Iterator[Metric]:
        total = self._overview.total
        frames = CounterMetricFamily(
            "edge_frames", "Frames that came in, by what became of them", labels=["end"]
        )
        for end in dict.fromkeys((*ENDS, *total.outcomes)):
            frames.add_metric([end], total.outcomes[end])
        yield frames
        legs = HistogramMetricFamily(
            "edge_leg_seconds",
            "Where answered frames' time went; `whole` is from capture to the answer in hand",
            labels=["leg"],
        )
        for leg in TIMED:
            _add(legs, [leg], total.legs[leg])
        yield legs

    def _sessions(self) -> Iterator[Metric]:
        server, views = self._server, self._overview.views
        sessions = GaugeMetricFamily("edge_sessions", "Sessions, by state", labels=["state"])
        for state in ("connecting", "live"):
            sessions.add_metric([state], sum(view.state == state for view in views))
        yield sessions
        yield GaugeMetricFamily(
            "edge_sessions_limit", "Sessions at most", server.settings.max_sessions
        )
        yield GaugeMetricFamily(
            "edge_sessions_over_slo",
            "Sessions whose 99th percentile of the last ten seconds exceeds their objective",
            sum(1 for each in views if each.latency and each.latency.p99_ms > each.slo_ms),
        )
        assignments = server.controller.assignments.values()
        yield GaugeMetricFamily(
            "edge_sessions_unserved",
            "Sessions that the plan has no room for",
            sum(each.variant is None for each in assignments),
        )
        yield GaugeMetricFamily(
            "edge_received_bits_per_second", "Of all sessions", sum(view.bps for view in views)
        )

    def _devices(self) -> Iterator[Metric]:
        server = self._server
        busy = CounterMetricFamily(
            "edge_device_busy_seconds", "Time that a batch was there", labels=["device"]
        )
        sizes = HistogramMetricFamily(
            "edge_batch_size_frames", "Frames in a batch", labels=["device"]
        )
        failures = CounterMetricFamily(
            "edge_batch_failures", "Batches that failed", labels=["device"]
        )
        restarts = CounterMetricFamily(
            "edge_worker_restarts", "Workers that were replaced", labels=["device"]
        )
        up = GaugeMetricFamily("edge_device_up", "Whether it takes batches", labels=["device"])
        flying = GaugeMetricFamily(
            "edge_device_batches_in_flight", "Batches that are there now", labels=["device"]
        )
        memory = GaugeMetricFamily(
            "edge_device_memory_bytes", "In use, where it can be told", labels=["device"]
        )
        usages = server.dispatcher.usage if server.dispatcher else []
        for number, status in enumerate(server.pool.status):
            label = [str(number)]
            failures.add_metric(label, status.failures)
            restarts.add_metric(label, status.restarts)
            up.add_metric(label, status.state == "ready")
            flying.add_metric(label, status.in_flight)
            if status.memory is not None:
                memory.add_metric(label, status.memory[0])
            if number < len(usages):
                usage = usages[number]
                busy.add_metric(label, usage.busy_ms / 1000.0)
                sizes.add_metric(label, _cumulated(usage.sizes), usage.frames)
        yield from (busy, sizes, failures, restarts, up, flying, memory)
        waiting = server.dispatcher.waiting if server.dispatcher else 0
        yield GaugeMetricFamily("edge_frames_waiting", "Frames that no device has taken", waiting)

    def _server_itself(self) -> Iterator[Metric]:
        server = self._server
        plans = HistogramMetricFamily(
            "edge_plan_seconds", "What a plan took, from snapshots to assignments"
        )
        _add(plans, [], server.controller.took)
        yield plans
        lag = HistogramMetricFamily(
            "edge_loop_lag_seconds", "How late the event loop was, ten times a second"
        )
        _add(lag, [], server.lag)
        yield lag
        ingest = server.ingest_status()
        yield CounterMetricFamily(
            "edge_ingest_restarts",
            "Ingest processes that were replaced",
            sum(each["restarts"] for each in ingest),
        )
        yield GaugeMetricFamily("edge_ready", "Whether sessions are taken", server.takes_sessions)
        yield GaugeMetricFamily(
            "edge_draining", "Whether newcomers are refused", server.sessions.draining
        )
        info = GaugeMetricFamily("edge_build_info", "The version", labels=["version"])
        info.add_metric([edge.__version__], 1)
        yield info


def _add(family: HistogramMetricFamily, labels: list[str], histogram: Histogram) -> None:
    """A histogram of ms as one of seconds."""
    buckets, count = [], 0
    bounds = [f"{bound / 1000.0:g}" for bound in BOUNDS_MS] + ["+Inf"]
    for bound, here in zip(bounds, histogram.counts, strict=True):
        count += here
        buckets.append((bound, float(count)))
    family.add_metric(labels, buckets, histogram.sum_ms / 1000.0)


def _cumulated(sizes: Mapping[int, int]) -> list[tuple[str, float]]:
    """Batches of at most 1, 2, 4, 8, 16 frames."""
    buckets = [
        (str(bound), float(sum(n for size, n in sizes.items() if size <= bound)))
        for bound in (1, 2, 4, 8, 16)
    ]
    return [*buckets, ("+Inf", float(sum(sizes.values())))]
