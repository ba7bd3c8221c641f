"""Waits between attempts."""

from __future__ import annotations

import random

from edge.base.backoff import FIRST_S, MOST_S, RetryWait


def test_waits_double_to_a_limit_with_some_chance() -> None:
    wait = RetryWait(random.Random(1))
    waits = [wait.next_s() for _ in range(10)]
    for number, seconds in enumerate(waits):
        least = min(MOST_S, FIRST_S * 2**number)
        assert least <= seconds <= 1.25 * least
    assert len(set(waits[-3:])) == 3


def test_the_servers_wish_is_kept_and_success_starts_anew() -> None:
    wait = RetryWait(random.Random(1))
    assert wait.next_s(at_least_s=20.0) >= 20.0
    wait.worked()
    assert wait.next_s() <= 1.25 * FIRST_S
