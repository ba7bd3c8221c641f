"""Publishers of a drained node: a few asked at a time, and nobody waited for beyond the limit."""

from __future__ import annotations

from edge.session.registry.departures import ASK_AGAIN_MS, AT_ONCE, SETTLE_MS, Departures

LIMIT_MS = 60_000.0
TEN = [str(number) for number in range(10)]


def begun(at_ms: float = 0.0) -> Departures:
    departures = Departures(LIMIT_MS)
    departures.begin(at_ms)
    return departures


def test_nobody_is_asked_before_a_drain_nor_after_its_end() -> None:
    departures = Departures(LIMIT_MS)
    assert not departures.step(TEN, 0.0).ask
    departures.begin(0.0)
    departures.cancel()
    assert not departures.under_way
    assert departures.step(TEN, 2 * LIMIT_MS) == departures.step(TEN, 0.0)
    assert not departures.step(TEN, 2 * LIMIT_MS).over


def test_a_few_are_asked_and_the_next_ones_as_they_go() -> None:
    departures = begun()
    assert departures.step(TEN, 0.0).ask == TEN[:AT_ONCE]
    assert not departures.step(TEN, 100.0).ask
    assert departures.step(TEN[2:], 200.0).ask == TEN[AT_ONCE : AT_ONCE + 2]


def test_of_many_a_part_is_asked_at_once() -> None:
    many = [str(number) for number in range(80)]
    assert len(begun().step(many, 0.0).ask) == 10


def test_one_that_does_not_go_holds_up_no_other() -> None:
    departures = begun()
    departures.step(TEN, 0.0)
    assert departures.step(TEN, SETTLE_MS).ask == TEN[AT_ONCE : 2 * AT_ONCE]


def test_one_that_could_not_go_is_asked_again() -> None:
    departures = begun()
    departures.step(TEN[:1], 0.0)
    assert not departures.step(TEN[:1], ASK_AGAIN_MS - 1.0).ask
    assert departures.step(TEN[:1], ASK_AGAIN_MS).ask == TEN[:1]


def test_all_are_asked_well_before_the_limit_and_then_ended() -> None:
    departures, asked = begun(), set[str]()
    many = [str(number) for number in range(200)]
    at_ms = 0.0
    while asked != set(many):
        asked.update(departures.step(many, at_ms).ask)
        at_ms += 100.0
    assert at_ms < LIMIT_MS / 2
    assert not departures.step(many, LIMIT_MS - 1.0).over
    assert departures.step(many, LIMIT_MS).over
    departures.begin(LIMIT_MS + 1.0)  # again: it goes on
    assert departures.step(many, LIMIT_MS + 1.0).over


def test_who_comes_back_is_asked_anew() -> None:
    departures = begun()
    departures.step(["a"], 0.0)
    departures.step([], 100.0)
    assert departures.step(["a"], 200.0).ask == ["a"]


def test_who_left_and_who_was_ended_are_counted_apart_and_once() -> None:
    departures = begun()
    departures.step(TEN, 0.0)  # asks the first ones
    departures.step(TEN[1:-1], 100.0)  # one of them left; the last one, not asked, left by itself
    assert departures.ends == {"left": 1, "ended": 0}
    departures.step(TEN[1:-1], LIMIT_MS)
    departures.step([], LIMIT_MS + 100.0)
    assert departures.ends == {"left": 1, "ended": 8}


def test_counts_are_those_of_all_drains() -> None:
    departures = begun()
    departures.step(TEN[:1], 0.0)
    departures.step([], 100.0)
    departures.cancel()
    departures.step([], 200.0)
    departures.begin(300.0)
    departures.step(TEN[:2], 300.0)
    departures.step(TEN[:1], 400.0)
    assert departures.ends == {"left": 2, "ended": 0}
