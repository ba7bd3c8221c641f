"""Sessions that end: what the operator saw of them last, and how they ended, into the history."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from edge.api.operator.dashboard import Dashboard, missed
from edge.base.clock import now_ms
from edge.observability.history.store import HistoryStore
from edge.session.interface import SessionInterface

LEAVING = 256  # sessions whose end takes a while; the oldest is forgotten first


class EndedSessions:
    """Called by the registry as sessions leave and end. An offer that never connected was none."""

    def __init__(self, dashboard: Dashboard, history: HistoryStore) -> None:
        self._dashboard, self._history = dashboard, history
        self._leaving: dict[str, tuple[dict[str, Any], dict[str, Any] | None]] = {}

    def leave(self, session: SessionInterface) -> None:
        """Keep what is known of it, before it is closed and the dashboard forgets it."""
        if not session.connected:
            return
        while len(self._leaving) >= LEAVING:
            del self._leaving[next(iter(self._leaving))]
        ring = self._dashboard.history.sessions.get(session.name)
        view = session.view(now_ms()).to_json()
        self._leaving[session.id] = (view, None if ring is None else ring.to_json())

    def end(self, session: SessionInterface, reason: str, code: str) -> None:
        """It has ended, and its frames are counted."""
        if session.id not in self._leaving:
            return
        view, history = self._leaving.pop(session.id)
        view["outcomes"] = outcomes = final_outcomes(view["outcomes"], session.outcomes)
        now_s, age_s = time.time(), view["age_s"]
        latency = view["latency"] or {}
        summary = {
            "name": session.name,
            "label": session.label,
            "began_s": round(now_s - age_s, 1),
            "ended_s": round(now_s, 1),
            "code": code,
            "reason": reason,
            "slo_ms": view["slo_ms"],
            "in_time": outcomes.get("in_time", 0),
            "missed": missed(outcomes),
            "p50_ms": _rounded(latency.get("p50_ms")),
            "p99_ms": _rounded(latency.get("p99_ms")),
        }
        self._history.add_ended(summary, {"session": view, "history": history})


def _rounded(ms: float | None) -> float | None:
    return None if ms is None else round(ms, 1)


def final_outcomes(seen: Mapping[str, int], counted: Mapping[str, int]) -> dict[str, int]:
    """A session's outcomes from its counts at the end, which do not say how many of its answers
    were late: as many as the operator saw last, in a view that may be a second old.

    Without counts, as its process is lost, they are those that were seen.
    """
    if not counted:
        return dict(seen)
    drops = {outcome: count for outcome, count in counted.items() if outcome != "answered"}
    answered = counted.get("answered", 0)
    late = min(answered, seen.get("answered_late", 0))
    outcomes = {"in_time": answered - late, "answered_late": late, **drops}
    return {outcome: count for outcome, count in outcomes.items() if count}
