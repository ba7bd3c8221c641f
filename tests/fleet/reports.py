"""Reports for tests."""

from __future__ import annotations

from typing import Any

from edge.fleet.report import Report, SessionRow


def row(name: str, **fields: Any) -> SessionRow:
    return SessionRow(name=name, **{"slo_ms": 100.0, "in_time": 10, **fields})


def report(node: str = "a", *rows: SessionRow, **fields: Any) -> Report:
    defaults: dict[str, Any] = {
        "incarnation": "1",
        "total": len(rows),
        "in_time": 0,
        "missed": 0,
        "in_time_since_start": 0,
        "missed_since_start": 0,
    }
    return Report(node=node, sessions=list(rows), **{**defaults, **fields})
