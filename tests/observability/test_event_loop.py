"""Lag and processor share of an event loop, on a clock of its own."""

from __future__ import annotations

import pytest

from edge.observability.event_loop import CpuShare, EventLoopMonitor


def test_a_share_approaches_the_part_of_the_core_that_is_used() -> None:
    share = CpuShare()
    for step in range(100):
        share.observe(0.03 * step, 100.0 * step)  # 30 ms of each 100
    assert share.mean == pytest.approx(0.3, abs=0.01)
    share.observe(0.03 * 99, 100.0 * 99 + 5000.0)  # five idle seconds
    assert share.mean == 0.0


def test_a_share_needs_two_samples_and_ignores_a_clock_that_stands() -> None:
    share = CpuShare()
    share.observe(5.0, 1000.0)
    share.observe(6.0, 1000.0)
    assert share.mean == 0.0


def test_the_worst_lag_fades_and_all_lags_are_counted() -> None:
    monitor = EventLoopMonitor()
    monitor.observe(80.0, 0.0, 0.0)
    assert monitor.lag_ms == 80.0
    monitor.observe(1.0, 0.0, 100.0)
    assert 70.0 < monitor.lag_ms < 80.0
    for step in range(300):
        monitor.observe(1.0, 0.0, 200.0 + 100.0 * step)
    assert monitor.lag_ms == pytest.approx(1.0, abs=0.3)
    assert sum(monitor.lags.counts) == 302
    assert monitor.lags.sum_ms == pytest.approx(381.0)


def test_a_timer_that_fires_early_counts_as_punctual() -> None:
    monitor = EventLoopMonitor()
    monitor.observe(-0.2, 0.0, 0.0)
    assert monitor.lags.sum_ms == 0.0
