"""The plans that a run's server records."""

from __future__ import annotations

import csv
import io
from types import SimpleNamespace
from typing import Any

from netem.experiment.server_main import PlanLog, label_of


def snapshot(id_: str) -> Any:
    return SimpleNamespace(
        id=id_, slo_ms=150.0, fps=15.0, budget_ms=60.0, link_bps=2e6, sent_long_side=320
    )


def test_each_plan_has_a_line_for_every_client_that_it_serves_or_leaves_out() -> None:
    assignment = SimpleNamespace(
        variant=None, long_side=320, useful_bps=1e6, gain=0.25, reason="plan"
    )
    server: Any = SimpleNamespace(
        controller=SimpleNamespace(
            assignments={"session-1": assignment, "session-2": assignment}, solve_ms=3.0
        ),
        sessions={
            "session-1": SimpleNamespace(label=label_of(7)),
            "session-2": SimpleNamespace(label="a phone"),  # not of this run
            "session-3": SimpleNamespace(label=label_of(8)),  # not planned yet
        },
    )
    file = io.StringIO()
    log = PlanLog(server, file)
    sessions = [snapshot("session-1"), snapshot("session-2"), snapshot("session-3")]
    log.write(sessions)
    log.write(sessions)
    rows = list(csv.DictReader(io.StringIO(file.getvalue())))
    assert [(row["plan"], row["client"], row["session"]) for row in rows] == [
        ("1", "7", "sessio"), ("2", "7", "sessio"),
    ]  # fmt: skip
    assert (rows[0]["variant"], rows[0]["gain"], rows[0]["left_ms"]) == ("", "0.25", "60")
