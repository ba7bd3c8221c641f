"""What the server could take on: whether one more session, and how many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from edge.adaptation.measurements import SessionMeasurements
from edge.config import Settings
from edge.ingest.handle import IngestStatus
from edge.models.registry.registry import ModelRegistry
from edge.observability.event_loop import EventLoopMonitor
from edge.scheduling.admission.admission_control import Overload, ServerLoad, overload_of
from edge.scheduling.admission.free_sessions import SessionCost, free_bounds
from edge.scheduling.assignment import NO_PINS, SessionSnapshot
from edge.scheduling.controller import Controller
from edge.session.registry.session_registry import SessionRegistry
from edge.session.session_adaptation import SessionAdaptation

CORE_S_A_FRAME = 0.0025  # of the server's processor time: docs/measure/figures/receiving.md
BUDGET_SHARE = 0.6  # of the objective, that a usual link leaves for queueing and inference


def typical_session(settings: Settings, models: ModelRegistry) -> SessionSnapshot:
    """A session as the settings ask for it, on a link that nothing is known of."""
    adaptation = SessionAdaptation.of(settings, models.serving(None), NO_PINS, None)
    measured = SessionMeasurements(
        slo_ms=settings.slo_ms,
        fps=settings.fps,
        processing_budget_ms=BUDGET_SHARE * settings.slo_ms,
    )
    return adaptation.snapshot("typical", measured)


class ServerCapacity:
    """Asks admission; `refresh` once a second estimates how many more it would admit."""

    def __init__(
        self,
        settings: Settings,
        *,
        sessions: SessionRegistry,
        controller: Controller,
        ingest: Callable[[], Sequence[IngestStatus]],
        event_loop: EventLoopMonitor,
    ) -> None:
        self._settings = settings
        self._sessions = sessions
        self._controller = controller
        self._ingest = ingest
        self._event_loop = event_loop
        self.free_sessions = 0
        """How many more sessions like the present ones (or by default, where there is none) would
        be admitted."""
        self.limit = "no device is ready yet"
        """Why no more."""

    def overload(self, slo_ms: float | None) -> Overload | None:
        """Why one more session with this objective (None: the default one) would be too many; None
        if it would not."""
        if not self._is_admission_on:
            return None
        return overload_of(self._load(), self._settings.slo_ms if slo_ms is None else slo_ms)

    def refresh(self) -> None:
        """Estimate the free sessions anew; the scheduler's part is found out after plans."""
        self.free_sessions, self.limit = self._estimate()

    def to_json(self) -> dict[str, Any]:
        return {"free_sessions": self.free_sessions, "limit": self.limit}

    def _estimate(self) -> tuple[int, str]:
        connected, most = len(self._sessions.connected), self._settings.max_sessions
        places = max(0, most - connected)
        if self._sessions.draining:
            return 0, "the server takes no newcomers for now"
        if not self._sessions.ready:
            return 0, "no device is ready yet"
        all_taken = f"there are {most} places"
        if not self._is_admission_on:
            return places, all_taken
        if self._controller.usual_load is None:
            return 0, "no plan has been made yet"
        usual = SessionCost(self._controller.usual_load, CORE_S_A_FRAME * self._settings.fps)
        search = self._controller.free_sessions
        search.update(free_bounds(self._load(), self._loops(), places, usual), connected)
        return search.value, search.limit or all_taken

    @property
    def _is_admission_on(self) -> bool:
        """Fixed hints come with no promise that the plan would hold, so newcomers are not refused
        by it."""
        return self._settings.admission and self._settings.sent_edge is None

    def _loops(self) -> list[float]:
        return [each.loop for each in self._ingest()] or [self._event_loop.cpu.mean]

    def _load(self) -> ServerLoad:
        planned = self._controller.assignments
        connected = self._sessions.connected
        present = sum(session.id in planned for session in connected)
        remaining = present / max(1, len(planned))  # others have left since the plan was made
        return ServerLoad(
            devices=self._controller.minimum_load * remaining,
            ingest=min(self._loops()) * remaining,
            planned=present,
            newcomers=len(connected) - present,
            can_serve_another=self._controller.can_serve_another
            if present == len(planned)
            else None,
            unserved_slo_ms=self._controller.objectives.unserved_ms,
            served_slo_ms=self._controller.objectives.served_ms,
        )
