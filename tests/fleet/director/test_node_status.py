"""What sets a node apart from the others, and what is made of its report."""

from __future__ import annotations

from typing import Any

from edge.fleet.beat import Beat
from edge.fleet.director.node_status import Heard, NodeStatus, statuses
from edge.fleet.known_node import KnownNode
from edge.fleet.report import MissLimits
from tests.fleet.beats import beat
from tests.fleet.reports import report, row

LIMITS = MissLimits(0.015, 0.1)


def of(*beats: Beat, now_ms: float = 100.0, **heard: Heard) -> dict[str, NodeStatus]:
    nodes = [KnownNode(each, 0.0) for each in beats]
    found = statuses(nodes, lambda node: heard.get(node.name), now_ms, LIMITS)
    return {each.node: each for each in found}


def beats(**settings: Any) -> list[Beat]:
    return [beat(name, version=version, settings=s) for name, (version, s) in settings.items()]


def test_the_odd_settings_are_marked_and_both_of_two() -> None:
    found = of(*beats(a=("1", "x"), b=("1", "x"), c=("1", "y")))
    assert [each.settings_differ for each in found.values()] == [False, False, True]
    found = of(*beats(a=("1", "x"), b=("1", "y")))
    assert [each.settings_differ for each in found.values()] == [True, True]
    found = of(*beats(a=("1", "x")))
    assert not found["a"].settings_differ


def test_settings_are_compared_among_nodes_of_a_version() -> None:
    found = of(*beats(a=("1", "x"), b=("1", "x"), c=("2", "y")))
    assert not any(each.settings_differ for each in found.values())
    assert [each.version_differs for each in found.values()] == [False, False, True]


def test_a_report_is_told_with_its_age() -> None:
    heard = Heard(report("a", in_time=90, missed=10, variants=["v-160"]), 40.0)
    found = of(beat("a"), beat("b"), a=heard)
    a, b = found["a"], found["b"]
    assert (a.in_time, a.missed, a.report_age_ms, a.variants) == (90, 10, 60, ("v-160",))
    assert a.missed_share == 0.1
    assert (b.in_time, b.report_age_ms, b.missed_share) == (None, None, None)


def test_sessions_are_counted_by_what_they_miss() -> None:
    rows = [
        row("well"),
        row("some", in_time=95, missed=5),
        row("many", in_time=5, missed=5),
        row("dark", in_time=0, age_s=60.0),
        row("young", in_time=0, age_s=1.0),
        row("joining", in_time=0, age_s=60.0, state="connecting"),
    ]
    found = of(beat("a"), a=Heard(report("a", *rows), 40.0))["a"]
    assert (found.sessions_amber, found.sessions_red) == (1, 2)


def test_a_node_that_said_so_has_stopped_and_others_are_gone() -> None:
    last = beat("a", ready=False, draining=True)
    nodes = [KnownNode(last, 0.0), KnownNode(beat("b"), 0.0)]
    for node in nodes:
        node.begin_probe()
        node.end_probe(None, 1000.0, "refused")
    a, b = statuses(nodes, lambda node: None, 1000.0, LIMITS)
    assert (a.state, a.stopped) == ("gone", True)
    assert (b.state, b.stopped) == ("gone", False)
