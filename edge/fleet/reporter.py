"""Makes a node's report of its sessions from what its own admin page shows."""

from __future__ import annotations

from collections.abc import Sequence

from edge.api.operator.dashboard import Dashboard, missed
from edge.fleet.report import MAX_ROWS, Report, SessionRow

MINUTE_POINTS = 60  # of the dashboard, one a second


class Reporter:
    """A node's report as bytes, made once for each refresh of the dashboard, for all directors."""

    def __init__(self, dashboard: Dashboard, variants: Sequence[str]) -> None:
        self._dashboard = dashboard
        self._variants = list(variants)
        self._made_s = -1.0
        self._bytes = b""

    def report(self, node: str, incarnation: str) -> bytes:
        if self._made_s != self._dashboard.refreshed_s:
            self._made_s = self._dashboard.refreshed_s
            self._bytes = self._make(node, incarnation).model_dump_json().encode()
        return self._bytes

    def _make(self, node: str, incarnation: str) -> Report:
        dashboard = self._dashboard
        rows = [
            SessionRow.of(session, missed(session["recent"]))
            for session in map(dashboard.session, dashboard.session_views)
        ]
        minute = dashboard.history.fleet.to_json(MINUTE_POINTS)
        answered, late, not_in_time = (
            round(sum(value or 0.0 for value in minute[column]))
            for column in ("answered", "answered_late", "missed")
        )
        since_start = dashboard.total.outcomes
        return Report(
            node=node,
            incarnation=incarnation,
            total=len(rows),
            in_time=max(0, answered - late),
            missed=not_in_time,
            in_time_since_start=since_start["in_time"],
            missed_since_start=missed(since_start),
            variants=self._variants,
            sessions=sorted(rows, key=lambda row: row.urgency)[:MAX_ROWS],
        )
