"""What one publisher may send."""

from edge.limits import Allowance, Pacer


def test_messages_pass_up_to_the_limit_and_are_refused_once_a_second() -> None:
    allowance = Allowance(2)
    assert [allowance.take(0.0) for _ in range(4)] == ["pass", "pass", "refuse", "ignore"]
    assert allowance.take(999.0) == "ignore"
    assert allowance.take(1000.0) == "pass"


def _admitted(fps: float, times_ms: list[float]) -> int:
    pacer = Pacer()
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
    assert 15 * seconds <= _admitted(15, flood) <= 1.2 * 15 * seconds + Pacer.BURST


def test_a_pause_earns_no_more_than_a_burst() -> None:
    pacer = Pacer()
    assert pacer.admits(10, 0.0)
    assert sum(pacer.admits(10, 60_000.0) for _ in range(20)) == Pacer.BURST
