"""Silence, as a publisher counts it."""

from __future__ import annotations

from edge.client.watchdog import ASK_MS, PING_MS, STEP_MS, Watchdog


def _after(ms: float, step_ms: float = 50.0) -> Watchdog:
    watchdog = Watchdog()
    for number in range(int(ms / step_ms) + 1):
        watchdog.step(1_000.0 + number * step_ms)
    return watchdog


def test_silence_is_met_by_pings_then_by_a_question() -> None:
    assert not _after(PING_MS - 50.0).pings
    assert _after(PING_MS).pings
    assert not _after(ASK_MS - 50.0).asks
    assert _after(ASK_MS).asks


def test_a_long_round_trip_leaves_time_for_an_answer_to_the_pings() -> None:
    watchdog = Watchdog()
    for number in range(21):
        watchdog.step(number * 50.0, 400.0)
        assert watchdog.asks == (number * 50.0 >= PING_MS + 2.0 * 400.0)


def test_an_answer_ends_the_silence() -> None:
    watchdog = _after(2.0 * ASK_MS)
    watchdog.reset()
    assert not watchdog.pings
    assert not watchdog.asks


def test_time_in_which_the_process_was_held_up_does_not_count() -> None:
    watchdog = Watchdog()
    watchdog.step(0.0)
    watchdog.step(60_000.0)
    assert not watchdog.pings
    assert _after(3.0 * 60_000.0, step_ms=60_000.0).asks == (3.0 * STEP_MS >= ASK_MS)
