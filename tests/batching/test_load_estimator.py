"""Arrival rates, the cost limit that follows from them, and how sessions are served."""

from __future__ import annotations

import math

import pytest

from edge.batching.device_latencies import DeviceLatencies
from edge.batching.load_estimator import FORGET_MS, LOWER_ABOVE, LoadEstimator
from edge.profile.latency import LatencyProfile
from edge.profile.variant import LONG_SIDES
from tests.batching.devices import cpu, names

SQUARE = (608, 608)
ALL = names(*reversed(LONG_SIDES))


class Load:
    """A load estimator of one device, and sessions that send regularly."""

    def __init__(self, profile: LatencyProfile) -> None:
        self.latencies = DeviceLatencies([profile], max_batch=8)
        self.estimator = LoadEstimator(self.latencies)
        self.now_ms = 0.0

    def send(self, sessions: int, fps: float, seconds: float = 2.0) -> None:
        options = self.latencies.options(ALL, SQUARE)
        assert options is not None
        ends_ms = self.now_ms + 1000.0 * seconds
        while self.now_ms < ends_ms:
            for session in range(sessions):
                self.estimator.observe(str(session), options, self.now_ms, 100.0)
            self.now_ms += 1000.0 / fps
            self.estimator.refresh(self.now_ms)

    @property
    def variant(self) -> str:
        options = self.latencies.options(ALL, SQUARE)
        assert options is not None
        return options.best_within(self.estimator.cost_limit_ms).variant


def test_light_load_has_no_limit_and_is_not_busy() -> None:
    load = Load(cpu(40.0))
    load.send(sessions=2, fps=5.0)  # 40 %
    assert math.isinf(load.estimator.cost_limit_ms)
    assert not load.estimator.is_busy
    (option, *_) = load.latencies.options(ALL, SQUARE).options  # type: ignore[union-attr]
    assert load.estimator.rate(option) == pytest.approx(0.010, rel=0.05)


def test_beyond_the_devices_capacity_everybody_gets_something_cheaper() -> None:
    load = Load(cpu(40.0))
    load.send(sessions=10, fps=5.0)  # 200 %
    assert load.estimator.is_busy
    limit_ms = load.estimator.cost_limit_ms
    assert 0.7 < 0.050 * limit_ms <= LOWER_ABOVE
    assert load.variant == "yolov4-tiny-384"


def test_the_limit_rises_again_only_well_below_the_load_at_which_it_fell() -> None:
    load = Load(cpu(40.0))
    load.send(sessions=10, fps=2.4)  # 96 %
    lowered = load.variant
    assert lowered != ALL[0]
    load.send(sessions=10, fps=2.25, seconds=4.0)  # 90 % would have been fine before
    assert load.variant == lowered
    load.send(sessions=10, fps=2.0, seconds=4.0)  # 80 %
    assert load.variant == ALL[0]


def test_a_session_that_falls_silent_adds_no_load_and_is_forgotten() -> None:
    load = Load(cpu(40.0))
    load.send(sessions=10, fps=5.0)
    load.estimator.refresh(load.now_ms + 1_500.0)
    assert math.isinf(load.estimator.cost_limit_ms)
    assert load.estimator.sessions
    load.estimator.refresh(load.now_ms + FORGET_MS + 1.0)
    assert not load.estimator.sessions


def test_the_next_frame_is_expected_after_a_few_intervals() -> None:
    load = Load(cpu(40.0))
    load.send(sessions=1, fps=10.0, seconds=0.25)
    assert math.isinf(load.estimator.next_ms("0"))
    load.send(sessions=1, fps=10.0, seconds=1.0)
    assert load.estimator.next_ms("0") == pytest.approx(load.now_ms)
    assert math.isinf(load.estimator.next_ms("unheard of"))


def test_service_falls_with_lost_frames_and_recovers() -> None:
    load = Load(cpu(40.0))
    load.send(sessions=1, fps=10.0)
    assert load.estimator.service("0") == 1.0
    for _ in range(10):
        load.estimator.record("0", dispatched=False)
    low = load.estimator.service("0")
    assert low < 0.5
    load.estimator.record("0", dispatched=True)
    assert load.estimator.service("0") > low
    load.estimator.forget("0")
    assert load.estimator.service("0") == 1.0


def test_a_device_is_reserved_for_the_next_frame_of_an_underserved_session() -> None:
    load = Load(cpu(40.0))
    load.send(sessions=1, fps=10.0)
    for _ in range(10):
        load.estimator.record("0", dispatched=False)
    load.estimator.refresh(load.now_ms + 60.0)
    due_ms = load.now_ms  # 100 ms of budget, of which 128 px takes 1.8
    reserved = load.estimator.reserve_until_ms(1.0, due_ms - 20.0, due_ms + 120.0)
    assert reserved == pytest.approx(due_ms + 25.0)  # a quarter of its interval
    assert load.estimator.reserve_until_ms(1.0, due_ms - 20.0, due_ms + 90.0) is None
    assert load.estimator.reserve_until_ms(0.4, due_ms - 20.0, due_ms + 120.0) is None


def test_batches_are_limited_to_half_of_a_usual_budget() -> None:
    load = Load(cpu(40.0))
    load.send(sessions=1, fps=10.0)
    assert load.latencies.batch_limit_ms == pytest.approx(50.0)
