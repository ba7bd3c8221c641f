"""A node's state from its beats and from requests straight to it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.fleet.known_node import (
    GONE_KEPT_MS,
    PROBE_EVERY_MS,
    PROBE_GONE_EVERY_MS,
    SILENT_MS,
    KnownNode,
)
from tests.fleet.beats import beat


def test_a_node_that_beats_is_fresh_and_wants_no_probe() -> None:
    node = KnownNode(beat(), 0.0)
    assert node.liveness(SILENT_MS - 1) == "fresh"
    assert not node.wants_probe(SILENT_MS - 1)
    assert node.takes_sessions(SILENT_MS - 1)


def test_a_silent_node_is_gone_only_once_a_probe_has_failed() -> None:
    node = KnownNode(beat(), 0.0)
    assert node.liveness(SILENT_MS) == "suspect"
    assert node.wants_probe(SILENT_MS)
    node.begin_probe()
    assert not node.wants_probe(SILENT_MS + 1), "one at a time"
    assert node.liveness(60_000.0) == "suspect"
    node.end_probe(None, SILENT_MS + 300)
    assert node.liveness(SILENT_MS + 300) == "gone"
    assert not node.takes_sessions(SILENT_MS + 300)


def test_a_silent_node_that_answers_goes_on_taking_sessions_and_is_asked_again() -> None:
    node = KnownNode(beat(seq=7, room=10), 0.0)
    node.begin_probe()
    node.end_probe(beat(seq=9, room=4), SILENT_MS)
    assert node.liveness(60_000.0) == "vouched"
    assert node.takes_sessions(60_000.0)
    assert node.room == 4
    assert not node.wants_probe(SILENT_MS + PROBE_EVERY_MS - 1)
    assert node.wants_probe(SILENT_MS + PROBE_EVERY_MS)


def test_a_probe_that_failed_while_the_prober_was_late_changes_nothing() -> None:
    node = KnownNode(beat(), 0.0)
    node.begin_probe()
    node.end_probe(None, SILENT_MS, "unsure")
    assert node.liveness(SILENT_MS) == "suspect"
    assert node.wants_probe(SILENT_MS)


def test_a_node_that_is_gone_comes_back_by_a_probe_or_by_a_beat() -> None:
    node = KnownNode(beat(), 0.0)
    node.end_probe(None, SILENT_MS)
    assert not node.wants_probe(SILENT_MS + PROBE_GONE_EVERY_MS - 1)
    assert node.wants_probe(SILENT_MS + PROBE_GONE_EVERY_MS)
    node.end_probe(beat(seq=3), 5_000.0)
    assert node.liveness(5_000.0) == "vouched"
    node.end_probe(None, 6_000.0, "refused")
    assert node.liveness(6_000.0) == "gone"
    assert node.hear(beat(seq=4), 7_000.0) is None
    assert node.liveness(7_000.0) == "fresh"


def test_a_node_that_answered_may_be_late_once_while_the_engine_is_away() -> None:
    node = KnownNode(beat(), 0.0)
    for now in (1_000.0, 3_000.0):
        node.end_probe(beat(seq=int(now)), now)
        node.end_probe(None, now + 1_000.0, "silent")
        assert node.liveness(now + 1_000.0) == "vouched"
        assert node.wants_probe(now + 1_000.0), "at once"
    node.end_probe(None, 4_300.0, "silent")
    assert node.liveness(4_300.0) == "gone"
    assert not node.wants_probe(4_300.0)


def test_another_process_that_answers_a_probe_is_not_the_node_that_was_there() -> None:
    node = KnownNode(beat(incarnation="1"), 0.0)
    node.end_probe(beat(incarnation="2"), SILENT_MS)
    assert node.liveness(SILENT_MS) == "gone"


def test_a_restarted_node_takes_its_name_over_once_the_former_is_silent() -> None:
    node = KnownNode(beat(incarnation="1", url="http://192.0.2.1:1"), 0.0)
    assert node.hear(beat(incarnation="2", url="http://192.0.2.1:2"), SILENT_MS) == "restarted"
    assert node.beat.url.endswith(":2")
    assert not node.is_doubled(SILENT_MS)


def test_of_two_processes_with_one_name_the_former_keeps_it() -> None:
    node = KnownNode(beat(incarnation="1"), 0.0)
    assert node.hear(beat(incarnation="2"), 100.0) == "doubled"
    assert node.hear(beat(incarnation="1", seq=1), 200.0) is None
    assert node.hear(beat(incarnation="2", seq=1), 300.0) is None, "told once"
    assert node.is_doubled(300.0)
    assert node.beat.incarnation == "1"
    assert node.rival is not None
    assert node.takes_sessions(300.0), "its sessions, and newcomers, are with the former"
    assert not node.is_doubled(300.0 + 2 * SILENT_MS), "the other one has gone"


def test_a_beat_that_was_overtaken_changes_nothing() -> None:
    node = KnownNode(beat(seq=5, room=3), 0.0)
    node.hear(beat(seq=4, room=9), 100.0)
    assert node.beat.room == 3


def test_what_it_was_given_counts_until_a_beat_shows_it() -> None:
    node = KnownNode(beat(load=0.5, room=5), 0.0)
    node.begin_offer()
    assert (node.room, node.load) == (4, 0.6)
    node.end_offer(accepted=True)
    assert (node.room, node.load) == (4, 0.6)
    node.hear(beat(seq=1, load=0.6, room=4), 200.0)
    assert (node.room, node.load) == (4, 0.6)


def test_an_offer_under_way_counts_beyond_a_beat() -> None:
    node = KnownNode(beat(room=5), 0.0)
    node.begin_offer()
    node.hear(beat(seq=1, room=5), 200.0)
    assert node.room == 4


def test_a_node_that_refused_has_no_room_until_its_next_beat() -> None:
    node = KnownNode(beat(room=5), 0.0)
    node.begin_offer()
    node.end_offer(accepted=False, full=True)
    assert node.room == 0
    node.hear(beat(seq=1, room=5), 200.0)
    assert node.room == 5


def test_a_failed_connection_makes_it_suspect_at_once() -> None:
    node = KnownNode(beat(), 0.0)
    node.suspect(10.0)
    assert node.liveness(10.0) == "suspect"
    assert node.wants_probe(10.0)
    node.hear(beat(seq=1), 20.0)
    assert node.liveness(20.0) == "fresh"


def test_nodes_that_are_not_ready_or_drain_take_no_sessions() -> None:
    assert not KnownNode(beat(ready=False), 0.0).takes_sessions(0.0)
    assert not KnownNode(beat(draining=True), 0.0).takes_sessions(0.0)


def test_a_node_that_is_gone_is_forgotten_in_the_end() -> None:
    node = KnownNode(beat(), 0.0)
    node.end_probe(None, SILENT_MS)
    assert not node.is_forgotten(GONE_KEPT_MS)
    assert node.is_forgotten(GONE_KEPT_MS + 1)


@given(st.lists(st.tuples(st.floats(0, SILENT_MS - 1), st.booleans(), st.booleans()), max_size=40))
def test_no_failed_probe_takes_a_node_that_beats_away(
    steps: list[tuple[float, bool, bool]],
) -> None:
    """Whatever probes and rivals do between beats that come in time."""
    now, node = 0.0, KnownNode(beat(incarnation="1"), 0.0)
    for seq, (after_ms, failed, has_rival) in enumerate(steps, 1):
        now += after_ms
        if failed:
            node.end_probe(None, now)
        if has_rival:
            node.hear(beat(incarnation="2", seq=seq), now)
        assert node.liveness(now) == "fresh"
        node.hear(beat(incarnation="1", seq=seq), now)
        assert node.beat.incarnation == "1"
        assert node.takes_sessions(now)


@given(st.lists(st.sampled_from(["begin", "accept", "fail", "full", "beat"]), max_size=60))
def test_room_is_never_negative_and_load_never_falls_by_an_offer(steps: list[str]) -> None:
    node, under_way = KnownNode(beat(load=0.2, room=4), 0.0), 0
    for seq, step in enumerate(steps):
        load = node.load
        if step == "begin":
            under_way += 1
            node.begin_offer()
            assert node.load >= load
        elif step == "beat":
            node.hear(beat(load=0.2, room=4, seq=seq), 0.0)
        elif under_way:
            under_way -= 1
            node.end_offer(accepted=step == "accept", full=step == "full")
        assert 0 <= node.room <= 4
