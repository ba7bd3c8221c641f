"""Limits of messages, frames and events."""

import pytest

from edge.session.rate_limits import (
    FramePacer,
    KeyedRateLimiter,
    MessageRateLimiter,
    TrafficLimit,
)


def test_messages_pass_up_to_the_limit_and_are_refused_once_a_second() -> None:
    allowance = MessageRateLimiter(2)
    assert [allowance.take(0.0) for _ in range(4)] == ["pass", "pass", "refuse", "ignore"]
    assert allowance.take(999.0) == "ignore"
    assert allowance.take(1000.0) == "pass"


def _admitted(fps: float, times_ms: list[float]) -> int:
    pacer = FramePacer()
    return sum(pacer.admits(fps, now_ms) for now_ms in times_ms)


def test_the_asked_rate_passes_whole_whatever_its_jitter() -> None:
    steady = [1000.0 / 15 * n for n in range(150)]
    assert _admitted(15, steady) == 150
    in_bursts = [1000.0 / 15 * (n // 3 * 3) for n in range(150)]
    assert _admitted(15, in_bursts) == 150
    jittered = [at + 40.0 * (n % 2) for n, at in enumerate(steady)]
    assert _admitted(15, jittered) == 150


def test_a_higher_rate_is_thinned_to_little_more_than_asked() -> None:
    seconds = 10
    flood = [1000.0 / 240 * n for n in range(240 * seconds)]
    assert 15 * seconds <= _admitted(15, flood) <= 1.2 * 15 * seconds + FramePacer.BURST


def test_a_pause_earns_no_more_than_a_burst() -> None:
    pacer = FramePacer()
    assert pacer.admits(10, 0.0)
    assert sum(pacer.admits(10, 60_000.0) for _ in range(20)) == FramePacer.BURST


def test_an_address_gets_its_rate_and_no_other_pays() -> None:
    rates = KeyedRateLimiter(3, 60_000.0)
    assert [rates.take("a", 0.0) for _ in range(4)] == [0.0, 0.0, 0.0, 20_000.0]
    assert rates.take("b", 0.0) == 0.0
    assert rates.wait_ms("a", 19_999.0) == 1.0
    assert rates.take("a", 20_000.0) == 0.0
    assert rates.take("a", 20_000.0) > 0.0


def test_addresses_are_bounded_and_the_least_recent_is_forgotten() -> None:
    rates = KeyedRateLimiter(1, 1_000.0, max_keys=2)
    for key in ("a", "b", "c"):
        assert rates.take(key, 0.0) == 0.0
    assert len(rates) == 2
    assert rates.take("a", 0.0) == 0.0  # forgotten
    assert rates.take("c", 0.0) > 0.0


def test_a_rate_that_was_lower_is_forgotten_once_it_is_higher() -> None:
    pacer = FramePacer()
    for _ in range(20):
        pacer.admits(0.1, 0.0)
    assert not pacer.admits(0.1, 1_000.0)
    assert sum(pacer.admits(10, 1_000.0 + 100.0 * n) for n in range(20)) >= 15


TICK_MS = 100.0


def _ended_ms(
    bps: float, fps: float, seconds: float, *, stalled_s: tuple[float, float] = (0.0, 0.0)
) -> float | None:
    """When a publisher of 16 Mbit/s and 120 frames a second at most is ended; None: it is not.

    Between the two `stalled_s` nothing arrives, and all of it at the second one.
    """
    limit = TrafficLimit(16e6, 120.0)
    for tick in range(int(1000.0 * seconds / TICK_MS) + 1):
        now_ms = TICK_MS * tick
        sent_s = now_ms / 1000.0
        if stalled_s[0] <= sent_s < stalled_s[1]:
            sent_s = stalled_s[0]
        if limit.observe(int(bps * sent_s / 8.0), int(fps * sent_s), now_ms) is not None:
            return now_ms
    return None


@pytest.mark.parametrize(
    ("bps", "fps"), [(64e6, 15.0), (35e6, 15.0), (1e6, 300.0), (35e6, 300.0), (1e9, 1e4)]
)
def test_a_flood_is_detected_within_a_second(bps: float, fps: float) -> None:
    ended_ms = _ended_ms(bps, fps, 10.0)
    assert ended_ms is not None
    assert ended_ms <= 1000.0


@pytest.mark.parametrize(
    ("bps", "fps", "stall_s"),
    [
        (16e6, 120.0, 0.0),  # at both limits
        (4e6, 15.0, 4.0),  # what is asked for, held up for four seconds
        (4e6, 30.0, 4.0),
        (8e6, 60.0, 2.0),
        (16e6, 60.0, 1.0),
    ],
)
def test_a_backlog_that_a_link_releases_at_once_ends_nothing(
    bps: float, fps: float, stall_s: float
) -> None:
    assert _ended_ms(bps, fps, 60.0, stalled_s=(5.0, 5.0 + stall_s)) is None


def test_a_little_too_much_is_detected_in_time() -> None:
    ended_ms = _ended_ms(20e6, 15.0, 60.0)
    assert ended_ms is not None
    assert 3_000.0 <= ended_ms <= 5_000.0


def test_the_rate_is_named_and_is_above_the_limit() -> None:
    limit = TrafficLimit(16e6, 120.0)
    assert limit.observe(0, 0, 0.0) is None
    assert limit.observe(4_000_000, 0, 500.0) == "32.0 Mbit/s, and at most 16 are taken"
    frames = TrafficLimit(16e6, 120.0)
    assert frames.observe(0, 0, 0.0) is None
    assert frames.observe(0, 400, 500.0) == "400 frames a second, and at most 120 are taken"
