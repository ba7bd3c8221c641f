"""Waiting before a step up, and how long a condition has held."""

from __future__ import annotations

from edge.adaptation.backoff import REVERSAL_MS, ConditionTimer, ExponentialBackoff


def test_a_condition_counts_from_when_it_began_to_hold() -> None:
    timer = ConditionTimer()
    assert timer.update(False, 0.0) == 0.0
    assert timer.update(True, 100.0) == 0.0
    assert timer.update(True, 350.0) == 250.0


def test_an_interruption_starts_it_anew() -> None:
    timer = ConditionTimer()
    timer.update(True, 0.0)
    assert timer.update(False, 100.0) == 0.0
    assert timer.update(True, 200.0) == 0.0
    assert timer.update(True, 300.0) == 100.0


def test_the_wait_doubles_with_each_step_that_is_reversed_up_to_a_limit() -> None:
    backoff = ExponentialBackoff(1_000.0, 6_000.0)
    waits = []
    for second in range(5):
        backoff.increased(1_000.0 * second)
        backoff.decreased(1_000.0 * second + 500.0)
        waits.append(backoff.wait_ms)
    assert waits == [2_000.0, 4_000.0, 6_000.0, 6_000.0, 6_000.0]
    assert backoff.is_backing_off


def test_a_step_down_long_after_the_last_step_up_reverses_nothing() -> None:
    backoff = ExponentialBackoff(1_000.0, 8_000.0)
    backoff.decreased(0.0)
    assert backoff.wait_ms == 1_000.0
    backoff.increased(0.0)
    backoff.decreased(REVERSAL_MS)
    assert not backoff.is_backing_off


def test_a_step_up_after_a_long_time_is_a_fresh_start() -> None:
    backoff = ExponentialBackoff(1_000.0, 8_000.0)
    backoff.increased(0.0)
    backoff.decreased(1.0)
    backoff.increased(REVERSAL_MS + 4.0 * 2_000.0)
    assert backoff.wait_ms == 2_000.0
    backoff.increased(2.0 * (REVERSAL_MS + 4.0 * 2_000.0) + 1.0)
    assert backoff.wait_ms == 1_000.0


def test_it_can_be_reset() -> None:
    backoff = ExponentialBackoff(1_000.0, 8_000.0)
    backoff.increased(0.0)
    backoff.decreased(1.0)
    backoff.reset()
    assert (backoff.wait_ms, backoff.is_backing_off) == (1_000.0, False)
