"""The view of all nodes: whom to ask, and what the director's own delay means."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.fleet.fleet_view import LATE_MS, MAX_NODES, TICK_MS, FleetView
from edge.fleet.known_node import GONE_KEPT_MS, SILENT_MS
from tests.fleet.beats import beat


def test_nodes_appear_with_their_first_beat() -> None:
    view = FleetView()
    assert not view.takes_sessions(0.0)
    assert view.hear(beat("a"), 0.0) == "new"
    assert view.hear(beat("a", seq=1), 1.0) is None
    assert [node.name for node in view] == ["a"]
    assert view.takes_sessions(1.0)


def test_there_is_no_place_without_room_or_for_a_node_that_drains() -> None:
    view = FleetView()
    view.hear(beat("a", room=0), 0.0)
    view.hear(beat("b", draining=True), 0.0)
    assert not view.takes_sessions(0.0)


def test_silent_nodes_are_asked_once_each() -> None:
    view = FleetView()
    view.hear(beat("a"), 0.0)
    view.hear(beat("b"), 400.0)
    view.tick(400.0)
    view.hear(beat("b", seq=1), 500.0)
    assert [node.name for node in view.tick(500.0)] == ["a"]
    assert view.tick(600.0) == []


@given(st.floats(TICK_MS + LATE_MS, 60_000.0))
def test_a_director_that_was_late_finds_no_node_silent(pause_ms: float) -> None:
    """Beats wait in its socket while it does not run."""
    view = FleetView()
    view.tick(0.0)
    view.hear(beat("a"), 0.0)
    assert view.tick(pause_ms) == []
    [node] = view
    assert node.liveness(pause_ms) == "fresh"
    assert node.takes_sessions(pause_ms)


def test_silence_counts_again_after_a_delay() -> None:
    view, now = FleetView(), 0.0
    view.tick(now)
    view.hear(beat("a"), now)
    now += 2_000.0
    view.tick(now)
    asked = []
    for _ in range(int(SILENT_MS / TICK_MS) + 1):
        now += TICK_MS
        asked += view.tick(now)
    assert [node.name for node in asked] == ["a"]


def test_forgotten_nodes_leave() -> None:
    view = FleetView()
    view.hear(beat("a"), 0.0)
    [node] = view
    node.end_probe(None, SILENT_MS)
    view.tick(GONE_KEPT_MS + SILENT_MS)
    assert len(view) == 0


def test_the_number_of_names_is_bounded() -> None:
    view = FleetView()
    for number in range(MAX_NODES + 5):
        view.hear(beat(f"n{number}"), 0.0)
    assert len(view) == MAX_NODES
    view.hear(beat("n0", seq=1, room=3), 1.0)
    node = view.get("n0")
    assert node is not None
    assert node.room == 3
