"""Limits of messages, frames and events."""

from edge.session.rate_limits import FramePacer, KeyedRateLimiter, MessageRateLimiter


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
