"""The whole server as its operator sees it: looked at once a second, remembered for minutes."""

from __future__ import annotations

import time
from collections import Counter, deque
from typing import TYPE_CHECKING, Any

import edge
from edge.clock import now_ms
from edge.observability.device_view import DeviceView, PlanView, SlotView
from edge.observability.metrics_data import Reading
from edge.observability.time_series import TimeSeries
from edge.session.view import SessionView

if TYPE_CHECKING:
    from edge.server import Server

RECENT = 10  # seconds that "lately" means
# Ends of a frame that a publisher missed something by; `paced` was asked for.
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
SPARK = 60  # points of each session in the first message: a minute


class Dashboard:
    """What there is to see, made anew by each `look`, which belongs to the event loop."""

    def __init__(self, server: Server) -> None:
        self.total = Reading()
        """Everything that was counted since the start."""
        self.history = TimeSeries(
            (
                *COLUMNS,
                *MISSES,
                *(f"util_{number}" for number in range(len(server.settings.device))),
            )
        )
        self.views: list[SessionView] = []
        self.devices: list[DeviceView] = []
        self._at_s = 0.0
        self._server = server
        self._started_s = time.time()
        self._ends: dict[str, deque[dict[str, int]]] = {}  # of each session, RECENT + 1 looks
        self._work: deque[tuple[float, list[tuple[float, int, int]]]] = deque(maxlen=6)

    def look(self) -> None:
        """Once a second."""
        server, now, at_s = self._server, now_ms(), time.time()
        reading = server.meter.drain()
        self.total.absorb(reading)
        self.views = server.sessions.views()
        ends = {view.name: view.outcomes for view in self.views}
        self._ends = {name: self._ends.get(name) or deque(maxlen=RECENT + 1) for name in ends}
        rows: dict[str, dict[str, float | None]] = {}
        for view in self.views:
            latest = self._ends[view.name]
            missed = _missed(_since(latest[-1] if latest else {}, view.outcomes))
            latest.append(view.outcomes)
            rows[view.name] = {
                "p50_ms": view.latency.p50_ms if view.latency else None,
                "p99_ms": view.latency.p99_ms if view.latency else None,
                "missed": float(missed),
                "link_bps": view.link_bps,
                "bps": view.bps,
            }
        self.devices, self._at_s = self._devices(now), at_s
        self.history.add(at_s, self._point(reading, self.devices), rows)

    def state(self) -> dict[str, Any]:
        """What the latest look saw, for those who watch."""
        return {
            "type": "state",
            "at": round(self._at_s, 1),
            "server": self._about(self._at_s),
            "sessions": [self.session(view) for view in self.views],
            "devices": [device.to_json() for device in self.devices],
            "plan": self.plan(),
            "point": self.history.fleet.to_json(1),
        }

    def first(self) -> dict[str, Any]:
        """What a page needs once, before the states: the minutes so far."""
        return {
            "type": "history",
            "fleet": self.history.fleet.to_json(),
            "sessions": {name: ring.to_json(SPARK) for name, ring in self.history.sessions.items()},
        }

    def session(self, view: SessionView) -> dict[str, Any]:
        """A session as the API tells it, `recent` being its frames' ends of the last seconds."""
        looks = self._ends.get(view.name)
        recent = _since(looks[0], looks[-1]) if looks else {}
        return {**view.to_json(), "recent": recent}

    def plan(self) -> dict[str, Any] | None:
        """None before the first."""
        controller = self._server.controller
        if controller.plan is None:
            return None
        network = self._server.settings.network
        return PlanView.of(
            controller.plan, controller.assignments, network, controller.solve_ms
        ).to_json()

    def _about(self, at_s: float) -> dict[str, Any]:
        server = self._server
        return {
            "version": edge.__version__,
            "uptime_s": round(at_s - self._started_s),
            "ready": server.takes_sessions,
            "draining": server.sessions.draining,
            "sessions": len(self.views),
            "max_sessions": server.settings.max_sessions,
            "waiting": server.dispatcher.waiting if server.dispatcher else 0,
            "loop_lag_ms": round(server.loop_lag_ms, 1),
            "ingest": server.ingest_status(),
        }

    def _devices(self, now: float) -> list[DeviceView]:
        server = self._server
        usages = server.dispatcher.usage if server.dispatcher else []
        self._work.append((now, [(u.busy_until(now), u.frames, u.batches) for u in usages]))
        since_ms, before = self._work[0]
        if len(before) < len(usages):  # before the devices were there
            self._work.clear()
            before = [(0.0, 0, 0)] * len(usages)
        seconds = max(0.001, (now - since_ms) / 1000.0)
        plan = server.controller.plan
        planned: dict[int, list[SlotView]] = {}
        if plan is not None:
            view = PlanView.of(plan, {}, server.settings.network, 0.0)
            planned = dict(zip(server.ready_devices, view.devices, strict=False))
        views = []
        for number, status in enumerate(server.pool.status):
            busy_ms = frames = batches = 0.0
            if number < len(usages) and len(self._work) > 1:
                usage, (busy, some, few) = usages[number], before[number]
                busy_ms = usage.busy_until(now) - busy
                frames, batches = usage.frames - some, usage.batches - few
            used, total = status.memory or (None, None)
            views.append(
                DeviceView(
                    number=number,
                    name=status.device.partition(":")[0]
                    if status.device.startswith("sim:")
                    else status.device,
                    description=status.description,
                    simulated=status.device.startswith("sim:"),
                    state=status.state,
                    utilisation=round(min(1.0, busy_ms / 1000.0 / seconds), 4),
                    frames_per_s=round(frames / seconds, 2),
                    batches_per_s=round(batches / seconds, 2),
                    mean_batch=round(frames / batches, 2) if batches else None,
                    in_flight=status.in_flight,
                    memory_bytes=used,
                    memory_total_bytes=total,
                    batches=status.batches,
                    failures=status.failures,
                    restarts=status.restarts,
                    plan=planned.get(number, []),
                )
            )
        return views

    def _point(self, reading: Reading, devices: list[DeviceView]) -> dict[str, float | None]:
        links = sorted(view.link_bps for view in self.views if view.link_bps)
        ends = reading.outcomes
        return {
            "sessions": float(len(self.views)),
            "strain_p50": reading.strain.quantile(0.5),
            "strain_p99": reading.strain.quantile(0.99),
            "answered": float(ends["in_time"] + ends["answered_late"]),
            "missed": float(_missed(ends)),
            **{reason: float(ends[reason]) for reason in MISSES},
            "link_min": links[0] if links else None,
            "link_p50": links[len(links) // 2] if links else None,
            "link_max": links[-1] if links else None,
            "waiting": float(self._server.dispatcher.waiting if self._server.dispatcher else 0),
            "lag_ms": self._server.loop_lag_ms,
            **{f"util_{device.number}": device.utilisation for device in devices},
        }


def _since(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    counts = {end: count - before.get(end, 0) for end, count in after.items()}
    return {end: count for end, count in counts.items() if count > 0}


def _missed(ends: dict[str, int] | Counter[str]) -> int:
    return sum(ends.get(reason, 0) for reason in MISSES)
