"""What a publisher may use in a second, and after a pause."""

from __future__ import annotations

from edge.rtc.guard.budgets import ProcessorBudget, TokenBucket


def test_a_burst_passes_and_then_the_rate() -> None:
    bucket = TokenBucket(rate_per_s=10.0, burst=3.0)
    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert not bucket.take(99.0)
    assert bucket.take(100.0)
    assert not bucket.take(100.0)


def test_a_pause_earns_no_more_than_a_burst() -> None:
    bucket = TokenBucket(rate_per_s=10.0, burst=3.0)
    bucket.take(0.0)
    assert sum(bucket.take(60_000.0) for _ in range(9)) == 3


def test_a_clock_that_goes_back_earns_nothing() -> None:
    bucket = TokenBucket(rate_per_s=10.0, burst=1.0)
    assert bucket.take(1_000.0)
    assert not bucket.take(-1e9)
    assert not bucket.take(-1e9)


def test_a_share_of_a_core_may_be_used_for_ever() -> None:
    budget = ProcessorBudget(0.25)
    assert not any(budget.charge(0.0024, 10.0 * n) for n in range(10_000))


def test_above_its_share_it_is_exceeded_within_about_a_second_of_work() -> None:
    budget = ProcessorBudget(0.25)
    charges = [budget.charge(0.005, 10.0 * n) for n in range(200)]  # half a core
    assert charges.index(True) in range(95, 105)  # 0.25 s net, at 0.25 s a second
    at_once = ProcessorBudget(0.25)
    assert not at_once.charge(0.2, 0.0)
    assert at_once.charge(0.1, 1.0)


def test_a_budget_is_strained_from_its_half_on() -> None:
    budget = ProcessorBudget(0.5)
    assert not budget.charge(0.26, 0.0)
    assert budget.is_strained(0.0)
    assert not budget.is_strained(100.0)
