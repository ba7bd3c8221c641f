"""Simulated devices: times by the declared median and p99, and busy time."""

import random

import pytest

from analysis.simulator.components.devices import HANDOVER_MS, SimulatedDevices
from edge.profile.latency import LatencyEntry, LatencyProfile

NAME, SIZE = "yolov4-tiny-320", (320, 192)


def devices(p50_ms: float, p99_ms: float, count: int = 1) -> SimulatedDevices:
    profile = LatencyProfile([LatencyEntry(NAME, *SIZE, 1, p50_ms, p99_ms)])
    return SimulatedDevices([profile] * count, random.Random(1))


def test_a_device_without_spread_takes_its_median_and_the_handover() -> None:
    assert devices(10.0, 10.0).run(0, NAME, SIZE, 1) == pytest.approx(10.0 + HANDOVER_MS)


def test_times_have_the_declared_median_and_p99() -> None:
    made = devices(10.0, 25.0)
    times = sorted(made.run(0, NAME, SIZE, 1) - HANDOVER_MS for _ in range(20_000))
    assert times[10_000] == pytest.approx(10.0, rel=0.02)
    assert times[19_800] == pytest.approx(25.0, rel=0.05)


def test_busy_time_adds_up_over_all_devices() -> None:
    made = devices(10.0, 15.0, count=2)
    assert len(made) == 2
    times = [made.run(device, NAME, SIZE, 1) for device in (0, 1, 1)]
    assert made.busy_ms == pytest.approx(sum(times))
