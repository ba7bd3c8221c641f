"""Outcomes and latencies of a session's frames."""

from __future__ import annotations

import pytest

from edge.adaptation.latency_budget import Leg
from edge.observability.frame_metrics import FrameMetrics
from edge.session.frames.frame_statistics import FrameStatistics
from edge.session.view import LatencyQuantiles

LEGS: dict[Leg, float] = {
    "network": 30.0,
    "decode": 4.0,
    "queue": 1.0,
    "inference": 12.0,
    "back": 3.0,
}


def _answered(statistics: FrameStatistics, slo_ms: float = 100.0, infeasible: bool = False) -> None:
    statistics.answered(LEGS, slo_ms, 1000.0, device=1, variant="v", infeasible=infeasible)


def test_outcomes_add_up_to_the_frames_that_came() -> None:
    metrics = FrameMetrics()
    statistics = FrameStatistics(metrics)
    for slo_ms in (100.0, 100.0, 40.0):
        _answered(statistics, slo_ms)
    statistics.dropped("lost", infeasible=True)
    assert statistics.by_outcome() == {"in_time": 2, "answered_late": 1, "lost": 1}
    assert statistics.outcomes == {"answered": 3, "lost": 1}
    assert statistics.drops == {"lost": 1}
    assert statistics.infeasible == 1
    assert (statistics.device, statistics.variant) == (1, "v")
    assert metrics.drain().outcomes == statistics.by_outcome()


def test_no_frame_is_answered_late_until_one_is() -> None:
    statistics = FrameStatistics(FrameMetrics())
    _answered(statistics)
    assert statistics.by_outcome() == {"in_time": 1}


def test_late_answers_that_the_network_alone_delayed_are_counted_apart() -> None:
    statistics = FrameStatistics(FrameMetrics())
    _answered(statistics, slo_ms=20.0, infeasible=True)
    assert (statistics.answered_late, statistics.infeasible) == (1, 1)


def test_latencies_are_of_the_last_ten_seconds() -> None:
    statistics = FrameStatistics(FrameMetrics())
    assert statistics.latency(1000.0) is None
    assert statistics.legs(1000.0) == {}
    _answered(statistics)
    assert statistics.latency(1000.0) == LatencyQuantiles(50.0, 50.0)
    assert statistics.legs(1000.0)["network"] == LatencyQuantiles(30.0, 30.0)
    assert set(statistics.legs(1000.0)) == set(LEGS)
    assert statistics.latency(20_000.0) is None
    assert statistics.legs(20_000.0) == {}


def test_a_leg_that_the_clocks_make_negative_counts_as_zero() -> None:
    metrics = FrameMetrics()
    statistics = FrameStatistics(metrics)
    legs: dict[Leg, float] = {**LEGS, "network": -5.0}
    statistics.answered(legs, 100.0, 1000.0, device=0, variant="v", infeasible=False)
    assert statistics.latency(1000.0) == LatencyQuantiles(20.0, 20.0)
    assert metrics.drain().legs["network"].sum_ms == 0.0


def test_the_frame_rate_falls_once_no_frames_come() -> None:
    statistics = FrameStatistics(FrameMetrics())
    assert statistics.fps(0.0) == 0.0
    for number in range(10):
        statistics.decoded(100.0 * number)
    assert statistics.fps(900.0) == pytest.approx(10.0)
    assert statistics.fps(1800.0) == pytest.approx(5.0)
