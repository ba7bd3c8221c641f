"""`/metrics` for Prometheus: families are made at each scrape from counts that exist anyway.

No label grows with the number of sessions: legs, outcomes and devices are bounded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

import edge
from edge.api.operator.dashboard import MISSES, Dashboard
from edge.api.operator.scene_metrics import scene_families
from edge.base.histogram import BOUNDS_MS, Histogram
from edge.capacity import ServerCapacity
from edge.clips.counts import CLIP_ENDS, FRAME_LOSSES
from edge.config import Settings
from edge.inference import Devices
from edge.ingest.handle import IngestStatus
from edge.observability.event_loop import EventLoopMonitor
from edge.observability.frame_metrics import TIMED
from edge.observability.refusals import Refusals
from edge.scheduling.controller import Controller
from edge.session.registry.session_registry import SessionRegistry
from edge.sinks.event_queue import LOSSES
from edge.sinks.sink_set import SinkSet

OUTCOMES = ("in_time", "paced", "stopped", *MISSES)


class MetricsEndpoint(Collector):
    """The collector of one server, in a registry of its own."""

    def __init__(
        self,
        settings: Settings,
        *,
        dashboard: Dashboard,
        sessions: SessionRegistry,
        devices: Devices,
        controller: Controller,
        ingest: Callable[[], Sequence[IngestStatus]],
        event_loop: EventLoopMonitor,
        sinks: SinkSet,
        refusals: Refusals,
        capacity: ServerCapacity,
        refused_connections: Mapping[str, int],
    ) -> None:
        """`refused_connections`: live counts by reason."""
        self._settings = settings
        self._dashboard = dashboard
        self._sessions = sessions
        self._devices = devices
        self._controller = controller
        self._ingest = ingest
        self._event_loop = event_loop
        self._sinks = sinks
        self._refusals = refusals
        self._capacity = capacity
        self._refused_connections = refused_connections
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def routes(self) -> list[web.AbstractRouteDef]:
        return [web.get("/metrics", self._metrics)]

    async def _metrics(self, request: web.Request) -> web.Response:
        body = generate_latest(self._registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    def describe(self) -> list[Metric]:
        return []  # `collect` is not called at registration, when nothing has started

    def collect(self) -> Iterator[Metric]:
        yield from self._frame_families()
        yield from self._session_families()
        yield from self._device_families()
        yield from self._refusal_families()
        yield from self._sink_families()
        yield from self._clip_families()
        yield from scene_families(
            self._settings, self._dashboard.total.scenes, self._dashboard.session_views
        )
        yield from self._server_families()

    def _frame_families(self) -> Iterator[Metric]:
        total = self._dashboard.total
        frames = CounterMetricFamily(
            "edge_frames", "Frames that came in, by what became of them", labels=["end"]
        )
        for outcome in dict.fromkeys((*OUTCOMES, *total.outcomes)):
            frames.add_metric([outcome], total.outcomes[outcome])
        yield frames
        legs = HistogramMetricFamily(
            "edge_leg_seconds",
            "Where answered frames' time went; `whole` is from capture to the answer in hand",
            labels=["leg"],
        )
        for leg in TIMED:
            _add_histogram(legs, [leg], total.legs[leg])
        yield legs

    def _session_families(self) -> Iterator[Metric]:
        views = self._dashboard.session_views
        sessions = GaugeMetricFamily("edge_sessions", "Sessions, by state", labels=["state"])
        for state in ("connecting", "live"):
            sessions.add_metric([state], sum(view.state == state for view in views))
        yield sessions
        yield GaugeMetricFamily(
            "edge_sessions_half_open", "Offers not connected yet", self._sessions.half_open
        )
        yield GaugeMetricFamily(
            "edge_sessions_limit", "Sessions at most", self._settings.max_sessions
        )
        yield GaugeMetricFamily(
            "edge_free_sessions",
            "How many more sessions like the present ones would be admitted",
            self._capacity.free_sessions,
        )
        yield GaugeMetricFamily(
            "edge_sessions_over_slo",
            "Sessions whose 99th percentile of the last ten seconds exceeds their objective",
            sum(1 for each in views if each.latency and each.latency.p99_ms > each.slo_ms),
        )
        yield GaugeMetricFamily(
            "edge_sessions_unserved",
            "Sessions that the plan has no room for",
            sum(each.variant is None for each in self._controller.assignments.values()),
        )
        planned = [each for each in self._controller.assignments.values() if each.f1 is not None]
        yield GaugeMetricFamily(
            "edge_expected_f1",
            "Accuracy that the plan expects of its sessions' frames, on average, or NaN",
            sum(each.f1 or 0.0 for each in planned) / len(planned) if planned else math.nan,
        )
        yield GaugeMetricFamily(
            "edge_least_f1_share",
            "The least that a planned session has of its accuracy with a device to itself, or NaN",
            min((each.f1_share for each in planned), default=math.nan),
        )
        yield GaugeMetricFamily(
            "edge_received_bits_per_second", "Of all sessions", sum(view.bps for view in views)
        )

    def _device_families(self) -> Iterator[Metric]:
        busy = CounterMetricFamily(
            "edge_device_busy_seconds", "Time that a batch was in the device", labels=["device"]
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
        in_flight = GaugeMetricFamily(
            "edge_device_batches_in_flight", "Batches in the device now", labels=["device"]
        )
        memory = GaugeMetricFamily(
            "edge_device_memory_bytes", "In use, where the device reports it", labels=["device"]
        )
        for number, status in enumerate(self._devices.status):
            label = [str(number)]
            failures.add_metric(label, status.failures)
            restarts.add_metric(label, status.restarts)
            up.add_metric(label, status.state == "ready")
            in_flight.add_metric(label, status.in_flight)
            if status.memory is not None:
                memory.add_metric(label, status.memory[0])
        for number, usage in enumerate(self._devices.usage):
            label = [str(number)]
            busy.add_metric(label, usage.busy_ms / 1000.0)
            sizes.add_metric(label, _cumulated(usage.sizes), usage.frames)
        loaded = GaugeMetricFamily(
            "edge_model_loaded", "Whether a model that is loaded on demand is", labels=["model"]
        )
        for status in self._devices.status[:1]:  # the same for all
            for name, state in status.models.items():
                loaded.add_metric([name], state == "ready")
        yield from (busy, sizes, failures, restarts, up, in_flight, memory, loaded)
        yield GaugeMetricFamily(
            "edge_frames_waiting", "Frames that no device has taken", self._devices.waiting
        )

    def _refusal_families(self) -> Iterator[Metric]:
        yield _counts(
            "edge_offers_refused",
            "New sessions refused, by the error's code",
            self._refusals.counts,
        )
        yield _counts(
            "edge_connections_refused",
            "HTTP connections closed as they were accepted",
            self._refused_connections,
        )
        yield _counts(
            "edge_datagrams_refused",
            "Datagrams and candidates of publishers that were dropped unused",
            self._dashboard.total.refused,
        )

    def _sink_families(self) -> Iterator[Metric]:
        events = CounterMetricFamily(
            "edge_sink_events",
            "Events for a sink, by what became of them",
            labels=["sink", "end"],
        )
        failures = CounterMetricFamily(
            "edge_sink_failures", "Attempts to send that failed", labels=["sink"]
        )
        up = GaugeMetricFamily(
            "edge_sink_up", "Whether the last attempt to send worked", labels=["sink"]
        )
        waiting = GaugeMetricFamily(
            "edge_sink_events_waiting", "Events neither sent nor lost", labels=["sink"]
        )
        for sink in self._sinks:
            events.add_metric([sink.name, "sent"], sink.sent)
            events.add_metric([sink.name, "thinned"], sink.filter.thinned)
            for loss in LOSSES:
                events.add_metric([sink.name, loss], sink.queue.losses[loss])
            failures.add_metric([sink.name], sink.failures)
            up.add_metric([sink.name], sink.error is None)
            waiting.add_metric([sink.name], sink.waiting)
        yield from (events, failures, up, waiting)

    def _clip_families(self) -> Iterator[Metric]:
        counts = self._dashboard.total.clips
        ends = CounterMetricFamily("edge_clips", "Clips, by what became of them", labels=["end"])
        for end in CLIP_ENDS:
            ends.add_metric([end], counts.ends[end])
        lost = CounterMetricFamily(
            "edge_clip_frames_lost", "Frames that clips lack, by reason", labels=["reason"]
        )
        for reason in FRAME_LOSSES:
            lost.add_metric([reason], counts.frames_lost[reason])
        yield from (ends, lost)
        yield CounterMetricFamily(
            "edge_clips_deleted", "Clips' files deleted to make room", counts.deleted
        )

    def _server_families(self) -> Iterator[Metric]:
        plans = HistogramMetricFamily(
            "edge_plan_seconds", "Time that a plan took, from snapshots to assignments"
        )
        _add_histogram(plans, [], self._controller.solve_times)
        yield plans
        lag = HistogramMetricFamily(
            "edge_loop_lag_seconds", "How late the event loop was, ten times a second"
        )
        _add_histogram(lag, [], self._event_loop.lags)
        yield lag
        yield CounterMetricFamily(
            "edge_ingest_restarts",
            "Ingest processes that were replaced",
            sum(each.restarts for each in self._ingest()),
        )
        yield CounterMetricFamily(
            "edge_history_lost",
            "Points and ended sessions that the history could not keep",
            self._dashboard.history_lost,
        )
        yield GaugeMetricFamily(
            "edge_ready", "Whether sessions can be served", self._sessions.ready
        )
        yield GaugeMetricFamily(
            "edge_draining", "Whether new sessions are refused", self._sessions.draining
        )
        drained = CounterMetricFamily(
            "edge_drained_sessions",
            "Sessions of a drained node, by what became of them",
            labels=["end"],
        )
        for end, count in self._sessions.drained.items():
            drained.add_metric([end], count)
        yield drained
        info = GaugeMetricFamily("edge_build_info", "The version", labels=["version"])
        info.add_metric([edge.__version__], 1)
        yield info


def _counts(name: str, text: str, counts: Mapping[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=["reason"])
    for reason, count in counts.items():
        family.add_metric([reason], count)
    return family


def _add_histogram(family: HistogramMetricFamily, labels: list[str], histogram: Histogram) -> None:
    """Add a histogram of milliseconds to a family of seconds."""
    buckets, count = [], 0
    bounds = [f"{bound / 1000.0:g}" for bound in BOUNDS_MS] + ["+Inf"]
    for bound, here in zip(bounds, histogram.counts, strict=True):
        count += here
        buckets.append((bound, float(count)))
    family.add_metric(labels, buckets, histogram.sum_ms / 1000.0)


def _cumulated(sizes: Mapping[int, int]) -> list[tuple[str, float]]:
    """Buckets of batches of at most 1, 2, 4, 8, 16 frames, and of all."""
    buckets = [
        (str(bound), float(sum(n for size, n in sizes.items() if size <= bound)))
        for bound in (1, 2, 4, 8, 16)
    ]
    return [*buckets, ("+Inf", float(sum(sizes.values())))]
