"""The operator's view of the whole server: refreshed once a second, remembered for minutes."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import edge
from edge.api.operator.device_view import DeviceRates, DeviceView, PlanView
from edge.base.clock import now_ms
from edge.capacity import ServerCapacity
from edge.config import Settings
from edge.inference import Devices
from edge.ingest.handle import IngestStatus
from edge.observability.event_loop import EventLoopMonitor
from edge.observability.frame_metrics import FrameCounts, FrameMetrics
from edge.observability.history.store import HistoryStore
from edge.observability.refusals import Refusals
from edge.observability.time_series import TimeSeries
from edge.scheduling.controller import Controller
from edge.session.registry.session_registry import SessionRegistry
from edge.session.view import SessionView

RECENT_S = 10  # that a session's `recent` outcomes cover
# Outcomes that count as a miss for the publisher; a `paced` frame was more than asked for, and a
# `stopped` one was open as its session ended.
MISSES = (
    "answered_late",
    "late",
    "superseded",
    "overload",
    "lost",
    "no_plan",
    "failed",
    "too_large",
)
COLUMNS = (
    "sessions",
    "strain_p50",
    "strain_p99",
    "answered",
    "missed",
    "link_min",
    "link_p50",
    "link_max",
    "waiting",
    "lag_ms",
)
SPARKLINE_POINTS = 60  # of each session in the history message: a minute


class Dashboard:
    """Keeps the latest views of sessions and devices; `refresh` belongs to the event loop."""

    def __init__(
        self,
        settings: Settings,
        *,
        metrics: FrameMetrics,
        sessions: SessionRegistry,
        devices: Devices,
        controller: Controller,
        ingest: Callable[[], Sequence[IngestStatus]],
        event_loop: EventLoopMonitor,
        refusals: Refusals,
        capacity: ServerCapacity,
        kept: HistoryStore,
    ) -> None:
        """`kept` gets each point, too, for longer than the minutes here."""
        self.total = FrameCounts()
        """All frames since the start."""
        utilisations = (f"util_{number}" for number in range(len(settings.device)))
        self.history = TimeSeries((*COLUMNS, *MISSES, *utilisations))
        self.session_views: list[SessionView] = []
        self.device_views: list[DeviceView] = []
        self._settings = settings
        self._metrics = metrics
        self._sessions = sessions
        self._devices = devices
        self._controller = controller
        self._ingest = ingest
        self._event_loop = event_loop
        self._refusals = refusals
        self._capacity = capacity
        self._kept = kept
        self._device_rates = DeviceRates()
        self.refreshed_s = 0.0
        """When it was last refreshed, in Unix seconds; 0 before the first time."""
        self._started_s = time.time()
        self._outcomes: dict[str, deque[dict[str, int]]] = {}  # by session, RECENT_S + 1 samples

    @property
    def history_lost(self) -> int:
        """Points and ended sessions that could not be kept."""
        return self._kept.lost

    def refresh(self) -> None:
        """Sample everything; to be called once a second."""
        now, self.refreshed_s = now_ms(), time.time()
        counts = self._metrics.drain()
        self.total.merge(counts)
        self.session_views = self._sessions.views()
        names = [view.name for view in self.session_views]
        self._outcomes = {
            name: self._outcomes.get(name) or deque(maxlen=RECENT_S + 1) for name in names
        }
        rows: dict[str, dict[str, float | None]] = {}
        for view in self.session_views:
            samples = self._outcomes[view.name]
            misses = missed(_difference(samples[-1] if samples else {}, view.outcomes))
            samples.append(view.outcomes)
            rows[view.name] = {
                "p50_ms": view.latency.p50_ms if view.latency else None,
                "p99_ms": view.latency.p99_ms if view.latency else None,
                "missed": float(misses),
                "link_bps": view.link_bps,
                "bps": view.bps,
            }
        plan = self._plan_view()
        planned = {} if plan is None else dict(zip(self._devices.ready, plan.devices, strict=False))
        self.device_views = [
            DeviceView.of(number, status, rates, planned.get(number, []))
            for number, (status, rates) in enumerate(
                self._device_rates.sample(self._devices.status, self._devices.usage, now)
            )
        ]
        point = self._point(counts)
        self.history.add(self.refreshed_s, point, rows)
        self._kept.add_point(self.refreshed_s, point)

    def state_message(self) -> dict[str, Any]:
        """The latest refresh, as the event stream sends it."""
        return {
            "type": "state",
            "at": round(self.refreshed_s, 1),
            "server": self._server(),
            "sessions": [self.session(view) for view in self.session_views],
            "devices": [device.to_json() for device in self.device_views],
            "plan": self.plan(),
            "point": self.history.fleet.to_json(1),
        }

    def history_message(self) -> dict[str, Any]:
        """The minutes so far, which a page needs once before the states."""
        return {
            "type": "history",
            "fleet": self.history.fleet.to_json(),
            "sessions": {
                name: ring.to_json(SPARKLINE_POINTS) for name, ring in self.history.sessions.items()
            },
        }

    def session(self, view: SessionView) -> dict[str, Any]:
        """A session as JSON; `recent` has its frames' outcomes of the last `RECENT_S` seconds."""
        samples = self._outcomes.get(view.name)
        recent = _difference(samples[0], samples[-1]) if samples else {}
        return {**view.to_json(), "recent": recent}

    def plan(self) -> dict[str, Any] | None:
        """The plan in force as JSON; None before the first."""
        view = self._plan_view()
        return None if view is None else view.to_json()

    def _plan_view(self) -> PlanView | None:
        controller = self._controller
        if controller.plan is None:
            return None
        return PlanView.of(
            controller.plan,
            controller.assignments,
            controller.solve_ms,
        )

    def _server(self) -> dict[str, Any]:
        return {
            "version": edge.__version__,
            "uptime_s": round(self.refreshed_s - self._started_s),
            "ready": self._sessions.ready,
            "draining": self._sessions.draining,
            "sessions": len(self.session_views),
            "max_sessions": self._settings.max_sessions,
            **self._capacity.to_json(),
            "refused": self._refusals.recent(self.refreshed_s),
            "waiting": self._devices.waiting,
            "loop_lag_ms": round(self._event_loop.lag_ms, 1),
            "ingest": [each.to_json() for each in self._ingest()],
        }

    def _point(self, counts: FrameCounts) -> dict[str, float | None]:
        links = sorted(view.link_bps for view in self.session_views if view.link_bps)
        outcomes = counts.outcomes
        return {
            "sessions": float(len(self.session_views)),
            "strain_p50": counts.slo_ratio.quantile(0.5),
            "strain_p99": counts.slo_ratio.quantile(0.99),
            "answered": float(outcomes["in_time"] + outcomes["answered_late"]),
            "missed": float(missed(outcomes)),
            **{outcome: float(outcomes[outcome]) for outcome in MISSES},
            "link_min": links[0] if links else None,
            "link_p50": links[len(links) // 2] if links else None,
            "link_max": links[-1] if links else None,
            "waiting": float(self._devices.waiting),
            "lag_ms": self._event_loop.lag_ms,
            **{f"util_{device.number}": device.utilisation for device in self.device_views},
        }


def _difference(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Outcomes that were counted between two samples."""
    counts = {outcome: count - before.get(outcome, 0) for outcome, count in after.items()}
    return {outcome: count for outcome, count in counts.items() if count > 0}


def missed(outcomes: Mapping[str, int] | Counter[str]) -> int:
    """How many of these frames count as missed."""
    return sum(outcomes.get(outcome, 0) for outcome in MISSES)
