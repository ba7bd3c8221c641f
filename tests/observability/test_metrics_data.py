"""A process's counts and histograms."""

from __future__ import annotations

import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.adaptation.latency_budget import Leg
from edge.observability.metrics_data import (
    BOUNDS_MS,
    FrameCounts,
    FrameMetrics,
    Histogram,
    QuantileSketch,
)

LEGS: dict[Leg, float] = {
    "network": 30.0,
    "decode": 4.0,
    "queue": 1.0,
    "inference": 12.0,
    "back": 3.0,
}


@given(st.lists(st.floats(0.1, 1e5), min_size=1, max_size=200), st.floats(0.01, 1.0))
def test_a_sketchs_quantile_is_right_within_its_step(values: list[float], q: float) -> None:
    sketch = QuantileSketch()
    for value in values:
        sketch.add(value)
    exact = sorted(values)[math.ceil(q * len(values)) - 1]
    assert sketch.quantile(q) == pytest.approx(exact, rel=0.026)


@given(st.lists(st.floats(0.0, 1e5), max_size=200))
def test_a_histogram_counts_each_value_once(values: list[float]) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    assert sum(histogram.counts) == len(values)
    for index, bound in enumerate(BOUNDS_MS):
        assert sum(histogram.counts[: index + 1]) == sum(value <= bound for value in values)
    assert histogram.sum_ms == pytest.approx(sum(values))


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
