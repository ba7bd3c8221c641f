"""The dashboard's messages, from parts whose state is set; one refresh stands for one second."""

from __future__ import annotations

import json
import time

import pytest

from edge.adaptation.latency_budget import Leg
from edge.api.operator.dashboard import MISSES, RECENT_S, Dashboard
from edge.config import load
from edge.observability.refusals import Refusal
from edge.scheduling.assignment import Assignment
from edge.scheduling.plan import CycleStep, Plan
from edge.scheduling.problem import Problem, ProblemClient, ProblemVariant
from edge.session.view import LatencyQuantiles
from tests.api.parts import ServerParts, ingest_status, view, worker

LEGS: dict[Leg, float] = {"network": 50.0}


def _dashboard(parts: ServerParts) -> Dashboard:
    names = (
        "metrics",
        "sessions",
        "devices",
        "controller",
        "ingest",
        "event_loop",
        "refusals",
        "capacity",
        "kept",
    )
    return Dashboard(parts.settings, **parts.arguments(*names))


def test_before_the_first_refresh_there_is_nothing_to_see() -> None:
    dashboard = _dashboard(ServerParts())
    assert dashboard.history_message()["fleet"]["t"] == []
    assert dashboard.plan() is None
    assert dashboard.state_message()["sessions"] == []


def test_a_point_sums_up_a_second() -> None:
    parts = ServerParts()
    dashboard = _dashboard(parts)
    for slo_ms in (100.0, 100.0, 40.0):
        parts.metrics.answered(LEGS, 50.0, slo_ms)
    parts.metrics.dropped("overload")
    parts.metrics.dropped("paced")
    parts.sessions.now = [
        view(name, link_bps=bps) for name, bps in (("a", 3e6), ("b", 1e6), ("c", 2e6))
    ]
    parts.devices.waiting = 4
    parts.event_loop.observe(7.0, 0.0, 0.0)
    dashboard.refresh()
    point = {name: values[0] for name, values in dashboard.history.fleet.to_json().items()}
    assert (point["sessions"], point["answered"], point["waiting"]) == (3.0, 3.0, 4.0)
    assert (point["answered_late"], point["overload"], point["missed"]) == (1.0, 1.0, 2.0)
    assert (point["link_min"], point["link_p50"], point["link_max"]) == (1e6, 2e6, 3e6)
    assert point["strain_p50"] == pytest.approx(0.5, rel=0.03)
    assert point["lag_ms"] == 7.0
    dashboard.refresh()
    assert dashboard.history.fleet.to_json(1)["missed"] == [0.0]  # of this second alone
    assert dashboard.total.outcomes["in_time"] == 2  # of all


def test_a_session_s_recent_outcomes_are_of_the_last_seconds() -> None:
    parts = ServerParts()
    dashboard = _dashboard(parts)
    for second in range(30):
        outcomes = {"in_time": 10 * second, "lost": min(second, 5)}
        parts.sessions.now = [view("a", outcomes=outcomes)]
        dashboard.refresh()
    [session] = dashboard.state_message()["sessions"]
    assert session["recent"] == {"in_time": 10 * RECENT_S}  # the losses are long ago
    assert session["outcomes"] == {"in_time": 290, "lost": 5}


def test_a_session_s_history_has_its_misses_and_latency_each_second() -> None:
    parts = ServerParts()
    dashboard = _dashboard(parts)
    for lost in (1, 3):
        parts.sessions.now = [
            view("a", outcomes={"lost": lost}, latency=LatencyQuantiles(30.0, 80.0))
        ]
        dashboard.refresh()
    history = dashboard.history_message()["sessions"]["a"]
    assert history["missed"] == [1.0, 2.0]
    assert history["p99_ms"] == [80.0, 80.0]
    parts.sessions.now = []
    dashboard.refresh()
    assert dashboard.history_message()["sessions"] == {}


def test_the_state_describes_server_devices_and_plan() -> None:
    parts = ServerParts(load(max_sessions=7, device=["cpu", "cuda:0"]))
    parts.devices.status = [worker("lost"), worker(device="cuda:0")]
    parts.devices.ready = [1]
    parts.devices.usage.append(parts.devices.usage[0])
    parts.ingest = [ingest_status()]
    parts.sessions.draining = True
    parts.refusals.add(Refusal(at_s=time.time(), reason="draining", message="no"))
    client = ProblemClient("abcdef-secret", 10.0, (80.0,))
    problem = Problem(1, (ProblemVariant("yolov4-tiny-416:416x416", 0.8, (10.0,)),), (client,))
    parts.controller.plan = Plan(problem, "exact", "shared", ((CycleStep(0, 1, (0,)),),))
    assignment = Assignment("yolov4-tiny-416", 416, 1e6, 0.0, "")
    parts.controller.assignments = {client.id: assignment}
    dashboard = _dashboard(parts)
    dashboard.refresh()
    state = json.loads(json.dumps(dashboard.state_message(), allow_nan=False))
    server = state["server"]
    assert (server["ready"], server["draining"], server["max_sessions"]) == (True, True, 7)
    assert server["ingest"][0]["restarts"] == 1
    assert (server["free_sessions"], server["limit"]) == (0, "all is full")
    assert server["refused"] == {"draining": 1}
    assert [device["state"] for device in state["devices"]] == ["lost", "ready"]
    # The plan is for the devices that were ready: here for the second alone.
    assert state["devices"][0]["plan"] == []
    [slot] = state["devices"][1]["plan"]
    assert (slot["variant"], slot["sessions"]) == ("yolov4-tiny-416", ["abcdef"])
    assert state["plan"]["served"] == 1
    assert "secret" not in json.dumps(state)
    assert set(MISSES) < set(state["point"])
    assert {"util_0", "util_1"} < set(state["point"])
