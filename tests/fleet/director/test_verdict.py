"""Whether all is well with a fleet, what is wrong, and where."""

from __future__ import annotations

from typing import Any

import pytest

from edge.fleet.director.node_status import NodeStatus
from edge.fleet.director.verdict import MOST_CAUSES, Verdict, verdict
from edge.fleet.report import MissLimits


def node(name: str = "a", **fields: Any) -> NodeStatus:
    defaults: dict[str, Any] = {
        "url": f"http://{name}:8443",
        "state": "fresh",
        "silent_ms": 100,
        "version": "1.0",
        "settings": "s",
        "sessions": 2,
        "room": 8,
        "in_time": 100,
        "missed": 0,
        "report_age_ms": 500,
    }
    return NodeStatus(node=name, **{**defaults, **fields})


def judge(*nodes: NodeStatus, engine: bool = True, free: int = 8) -> Verdict:
    limits = MissLimits(0.015, 0.1)
    return verdict(nodes, engine_connected=engine, free_sessions=free, limits=limits)


def test_all_is_well() -> None:
    found = judge(node("a"), node("b", sessions=0))
    assert (found.level, found.causes) == ("good", ())
    assert found.line == "All is well: 2 nodes, 2 sessions in time"
    assert judge(node(sessions=0)).line == "All is well: 1 node, no session"


@pytest.mark.parametrize(
    ("fields", "level", "line", "words"),
    [
        ({"state": "gone", "silent_ms": 4200}, "poor", "Node b is gone", "4.2 s"),
        ({"state": "gone", "silent_ms": 300_000}, "poor", "Node b is gone", "5 min"),
        ({"state": "suspect"}, "fair", "Node b is silent", "being asked"),
        ({"state": "vouched"}, "fair", "Node b is cut off from the engine", "not beaten"),
        ({"doubled": True}, "poor", "Two nodes are called b", "two processes"),
        ({"ready": False}, "poor", "Node b takes no frames", "device"),
        ({"report_age_ms": 12_000}, "fair", "Figures of node b are old", "12 s"),
        ({"missed": 2}, "fair", "Node b misses frames", "2.0 %"),
        ({"missed": 50}, "poor", "Node b misses frames", "33.3 %"),
        ({"sessions_amber": 1}, "fair", "Node b misses frames", "1 of 2 sessions misses"),
        ({"sessions_red": 2}, "poor", "Node b misses frames", "2 of 2 sessions miss"),
        ({"settings_differ": True}, "fair", "Settings differ between nodes", "b."),
        ({"version": "1.1"}, "fair", "Versions are mixed", "1.0: a; 1.1: b"),
    ],
)
def test_what_is_wrong_is_the_first_line_and_says_where(
    fields: dict[str, Any], level: str, line: str, words: str
) -> None:
    found = judge(node("a"), node("b", **fields))
    assert (found.level, found.line) == (level, line)
    [cause] = found.causes
    assert words in cause.text
    assert cause.node in ("b", None)


def test_the_engine_away_is_one_cause_and_not_one_of_every_node() -> None:
    found = judge(*(node(name, state="vouched") for name in "abc"), engine=False)
    assert (found.level, found.line) == ("fair", "The engine is away")
    assert len(found.causes) == 1


def test_no_node_and_no_room() -> None:
    assert (judge(free=0).level, judge(free=0).line) == ("poor", "No node")
    assert judge(node(state="gone"), free=0).causes[0].level == "poor"
    assert judge(engine=False, free=0).level == "poor"
    full = judge(node(room=0), free=0)
    assert (full.level, full.line) == ("poor", "No room for newcomers")


def test_a_node_that_has_ended_in_order_is_not_wrong() -> None:
    found = judge(node("a"), node("b", state="gone", stopped=True, sessions=0))
    assert (found.level, found.line) == ("good", "All is well: 1 node, 2 sessions in time")


def test_draining_is_said_and_is_not_wrong() -> None:
    found = judge(node("a"), node("b", draining=True))
    assert found.level == "good"
    assert found.line.endswith(" · 1 node draining")


def test_the_worst_comes_first_and_the_rest_is_counted() -> None:
    names = [f"n{number}" for number in range(MOST_CAUSES + 4)]
    nodes = [node(name, state="suspect") for name in names] + [node("z", state="gone")]
    found = judge(*nodes)
    assert found.line == f"Node z is gone · {len(names)} more"
    assert found.causes[0].node == "z"
    assert len(found.causes) == MOST_CAUSES + 1
    assert found.causes[-1].text.startswith("and 5 more")


def test_a_node_that_tells_nothing_of_its_frames_is_not_judged_by_them() -> None:
    assert judge(node(in_time=None, missed=None, report_age_ms=None)).level == "good"
    assert judge(node(in_time=0, missed=0)).level == "good"
