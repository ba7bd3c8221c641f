"""A process's counts and histograms."""

from __future__ import annotations

import pickle

import pytest

from edge.adaptation.latency_budget import Leg
from edge.observability.frame_metrics import (
    FrameCounts,
    FrameMetrics,
)

LEGS: dict[Leg, float] = {
    "network": 30.0,
    "decode": 4.0,
    "queue": 1.0,
    "inference": 12.0,
    "back": 3.0,
}


def test_readings_of_several_processes_add_up() -> None:
    total = FrameCounts()
    for _ in range(2):
        meter = FrameMetrics()
        meter.answered(LEGS, 50.0, 100.0)
        meter.answered(LEGS, 150.0, 100.0)
        meter.dropped("lost")
        total.merge(pickle.loads(pickle.dumps(meter.drain())))
        assert not meter.drain().outcomes
    assert total.outcomes == {"in_time": 2, "answered_late": 2, "lost": 2}
    assert sum(total.legs["inference"].counts) == 4
    assert total.legs["whole"].sum_ms == 400.0
    assert total.slo_ratio.quantile(0.5) == pytest.approx(0.5, rel=0.03)
    assert total.slo_ratio.quantile(1.0) == pytest.approx(1.5, rel=0.03)
