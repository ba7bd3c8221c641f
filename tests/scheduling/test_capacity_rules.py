"""Capacities and needs are exact: a rate of exactly the capacity does not fit."""

from __future__ import annotations

import numpy as np
import pytest

from edge.scheduling import capacity_rules


def test_times_and_rates_are_whole_nanoseconds_and_microhertz() -> None:
    assert capacity_rules.nanoseconds([0.1, 33.333333]).tolist() == [100_000, 33_333_333]
    assert capacity_rules.microhertz([29.97, 0.0000004]).tolist() == [29_970_000, 0]


@pytest.mark.parametrize(
    ("batch", "cycle_ms", "rate_fps"), [(1, 10.0, 100.0), (4, 20.0, 200.0), (3, 7.0, 3000 / 7)]
)
def test_the_capacity_is_the_largest_rate_below_batch_over_cycle(
    batch: int, cycle_ms: float, rate_fps: float
) -> None:
    capacity = int(capacity_rules.capacity(np.array(batch), capacity_rules.nanoseconds(cycle_ms)))
    cycle_s = cycle_ms / 1e3
    assert capacity / 1e6 * cycle_s < batch
    assert (capacity + 2) / 1e6 * cycle_s > batch
    assert capacity == pytest.approx(rate_fps * 1e6, abs=2)


def test_a_client_waits_out_a_cycle_and_then_its_own_batch() -> None:
    assert capacity_rules.need(np.array([30]), np.array([10])).tolist() == [40]
