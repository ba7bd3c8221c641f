"""The server's clock by pings."""

from __future__ import annotations

import pytest

from edge.base.clock import now_ms
from edge.client.clocks import (
    EPOCH_MS,
    FIRST_PING_MS,
    FIRST_PINGS,
    PING_MS,
    ServerClock,
    unix_ms,
)


def pong(
    sent_ms: float, there_ms: float, back_ms: float, offset_ms: float
) -> tuple[dict[str, float], float]:
    """A pong of a server whose clock is `offset_ms` ahead and which takes 3 ms; its arrival."""
    received_ms = sent_ms + there_ms
    message = {
        "t0_ms": sent_ms,
        "t1_ms": received_ms + offset_ms,
        "t2_ms": received_ms + 3.0 + offset_ms,
    }
    return message, received_ms + 3.0 + back_ms


def test_nothing_is_known_before_the_first_pong() -> None:
    clock = ServerClock()
    assert (clock.rtt_ms, clock.offset_ms) == (None, None)


def test_the_shortest_round_trip_decides() -> None:
    clock = ServerClock()
    clock.on_pong(*pong(0.0, 40.0, 10.0, offset_ms=500.0))
    assert (clock.rtt_ms, clock.offset_ms) == (50.0, 515.0)
    clock.on_pong(*pong(100.0, 5.0, 5.0, offset_ms=500.0))
    assert (clock.rtt_ms, clock.offset_ms) == (10.0, 500.0)
    clock.on_pong(*pong(200.0, 80.0, 5.0, offset_ms=500.0))
    assert (clock.rtt_ms, clock.offset_ms) == (10.0, 500.0)


def test_old_exchanges_are_forgotten() -> None:
    clock = ServerClock()
    clock.on_pong(*pong(0.0, 1.0, 1.0, offset_ms=500.0))
    for number in range(30):
        clock.on_pong(*pong(1000.0 * number, 10.0, 10.0, offset_ms=400.0))
    assert (clock.rtt_ms, clock.offset_ms) == (20.0, 400.0)


def test_the_first_pings_are_sent_in_quick_succession() -> None:
    clock = ServerClock()
    sent = [at_ms for at_ms in range(0, 4000, 50) if clock.ping_due(float(at_ms))]
    first, later = sent[:FIRST_PINGS], sent[FIRST_PINGS:]
    assert first == [FIRST_PING_MS * number for number in range(FIRST_PINGS)]
    assert later == [FIRST_PING_MS * FIRST_PINGS + PING_MS * number for number in range(len(later))]


def test_unix_time_follows_the_monotonic_clock() -> None:
    before_ms = now_ms()
    assert before_ms <= unix_ms() - EPOCH_MS <= now_ms() + 1e-3
    assert unix_ms() == pytest.approx(EPOCH_MS + now_ms(), abs=1000.0)
