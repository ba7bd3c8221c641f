"""A process's counts and histograms, and a session's ledger."""

from __future__ import annotations

import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.adaptation.latency_budget import Leg
from edge.observability.metrics_data import BOUNDS_MS, FrameMetrics, Histogram, Reading, Sketch
from edge.session.frame_statistics import FrameStatistics

LEGS: dict[Leg, float] = {
    "network": 30.0,
    "decode": 4.0,
    "queue": 1.0,
    "inference": 12.0,
    "back": 3.0,
}


@given(st.lists(st.floats(0.1, 1e5), min_size=1, max_size=200), st.floats(0.01, 1.0))
def test_a_sketchs_quantile_is_right_within_its_step(values: list[float], q: float) -> None:
    sketch = Sketch()
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
    total = Reading()
    for _ in range(2):
        meter = FrameMetrics()
        meter.answered(LEGS, 50.0, 100.0)
        meter.answered(LEGS, 150.0, 100.0)
        meter.dropped("lost")
        total.absorb(pickle.loads(pickle.dumps(meter.drain())))
        assert not meter.drain().outcomes
    assert total.outcomes == {"in_time": 2, "answered_late": 2, "lost": 2}
    assert sum(total.legs["inference"].counts) == 4
    assert total.legs["whole"].sum_ms == 400.0
    assert total.strain.quantile(0.5) == pytest.approx(0.5, rel=0.03)
    assert total.strain.quantile(1.0) == pytest.approx(1.5, rel=0.03)


def test_a_ledgers_ends_add_up_to_what_came() -> None:
    ledger = FrameStatistics(FrameMetrics())
    for number in range(10):
        ledger.came(100.0 * number)
    for slo_ms in (100.0, 100.0, 40.0):
        ledger.answered(LEGS, slo_ms, 1000.0, device=1, variant="v", hopeless=False)
    ledger.dropped("lost", hopeless=True)
    assert ledger.by_end() == {"in_time": 2, "answered_late": 1, "lost": 1}
    assert ledger.infeasible == 1
    assert ledger.fps(900.0) == pytest.approx(10.0)
    assert ledger.fps(1800.0) == pytest.approx(5.0)  # nothing came since
    assert ledger.whole_ms(0.5, 1000.0) == pytest.approx(50.0)
    assert ledger.whole_ms(0.5, 20_000.0) is None
