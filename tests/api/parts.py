"""Stand-ins for the parts of a server that the HTTP API reads: their state is set by the test."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from edge.base.histogram import Histogram
from edge.batching.device_usage import DeviceUsage
from edge.capacity import ServerCapacity
from edge.config import Settings, load
from edge.inference import Devices
from edge.ingest.handle import IngestStatus
from edge.observability.event_loop import EventLoopMonitor
from edge.observability.frame_metrics import FrameMetrics
from edge.observability.history.store import HistoryStore
from edge.observability.refusals import Refusals
from edge.scheduling.assignment import Assignment
from edge.scheduling.controller import Controller
from edge.scheduling.plan import Plan
from edge.session.registry.full_error import FullError
from edge.session.registry.session_registry import SessionRegistry
from edge.session.view import SessionView
from edge.sinks.sink_set import SinkSet
from edge.workers.pool import WorkerStatus


def worker(state: Any = "ready", **fields: Any) -> WorkerStatus:
    defaults: dict[str, Any] = {
        "device": "cpu",
        "description": "a processor",
        "state": state,
        "pid": 1,
        "in_flight": 0,
        "batches": 0,
        "failures": 0,
        "restarts": 0,
        "memory": None,
    }
    return WorkerStatus(**{**defaults, **fields})


def ingest_status(**fields: Any) -> IngestStatus:
    defaults: dict[str, Any] = {
        "pid": 4711,
        "ready": True,
        "sessions": 2,
        "busy": 0.5,
        "loop": 0.25,
        "lag_ms": 3.0,
        "tasks": 40,
        "restarts": 1,
    }
    return IngestStatus(**{**defaults, **fields})


def view(name: str, **fields: Any) -> SessionView:
    defaults: dict[str, Any] = {"label": "", "state": "live", "age_s": 1.0, "slo_ms": 100.0}
    return SessionView(name=name, **{**defaults, **fields})


@dataclass
class _Sessions:
    ready: bool = True
    draining: bool = False
    now: list[SessionView] = field(default_factory=list)
    refused: FullError | None = None
    half_open: int = 0
    drained: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.now)

    def views(self) -> list[SessionView]:
        return self.now

    def refusal(self) -> FullError | None:
        return self.refused


@dataclass
class _Devices:
    status: list[WorkerStatus] = field(default_factory=lambda: [worker()])
    usage: list[DeviceUsage] = field(default_factory=lambda: [DeviceUsage()])
    ready: list[int] = field(default_factory=lambda: [0])
    waiting: int = 0


@dataclass
class _Controller:
    plan: Plan | None = None
    assignments: dict[str, Assignment] = field(default_factory=dict)
    solve_ms: float = 0.0
    solve_times: Histogram = field(default_factory=Histogram)


@dataclass
class _Capacity:
    free_sessions: int = 0

    def to_json(self) -> dict[str, Any]:
        return {"free_sessions": self.free_sessions, "limit": "all is full"}


class ServerParts:
    """The parts, and as the keyword arguments that endpoints take."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or load()
        self.metrics = FrameMetrics()
        self.sessions = _Sessions()
        self.devices = _Devices()
        self.controller = _Controller()
        self.ingest: list[IngestStatus] = []
        self.refusals = Refusals()
        self.capacity = _Capacity()
        self.kept = HistoryStore(Path("unused"), hours=0, max_bytes=0)
        self.refused_connections: Counter[str] = Counter()
        self.event_loop = EventLoopMonitor()
        self.sinks = SinkSet([])

    def arguments(self, *names: str) -> dict[str, Any]:
        parts = {
            "metrics": self.metrics,
            "sessions": cast(SessionRegistry, self.sessions),
            "devices": cast(Devices, self.devices),
            "controller": cast(Controller, self.controller),
            "ingest": lambda: self.ingest,
            "event_loop": self.event_loop,
            "refusals": self.refusals,
            "capacity": cast(ServerCapacity, self.capacity),
            "kept": self.kept,
        }
        return {name: parts[name] for name in names}
