"""A device under measurement: a real worker process with a simulated device."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.profile.latency import LatencyEntry, LatencyProfile
from edge.profile.latency_file import save_latency_profile
from edge.profile.variant import Variant
from profiles.latency_measurement import SHAPES, LatencyCase, cases
from profiles.measured_device import BatchFailedError, measured_device

VARIANT = "yolov4-tiny-608"


@pytest.fixture
def device(tmp_path: Path) -> str:
    """A simulated device whose batch of n takes 10 n ms."""
    path = tmp_path / "device.json"
    size = Variant.parse(VARIANT).input_size(16, 9)
    entries = [LatencyEntry(VARIANT, *size, n, 10.0 * n, 10.0 * n) for n in (1, 2)]
    save_latency_profile(LatencyProfile(entries, device="a test's"), path)
    return f"sim:{path}"


async def test_a_batch_takes_at_least_the_devices_time(device: str) -> None:
    both = cases([VARIANT], SHAPES[:1], (1, 2))
    reported: list[str] = []
    async with measured_device(
        device, "yolov4-tiny", both, SHAPES[:1], on_progress=reported.append
    ) as measured:
        took_ms = [await measured.run(case) for case in both]
        assert measured.status().batches == 2
    assert "a test's" in measured.description
    assert took_ms[0] >= 9.0
    assert took_ms[1] >= 18.0


async def test_a_batch_that_fails_is_named(device: str) -> None:
    [case] = cases([VARIANT], SHAPES[:1], (1,))
    unknown = LatencyCase("yolov4-tiny-608", case.input_size, 1, case.picture)
    async with measured_device(
        device, "yolov4-tiny", [case], SHAPES[:1], on_progress=lambda text: None
    ) as measured:
        assert await measured.run(unknown) > 0.0
        with pytest.raises((BatchFailedError, ValueError)):
            await measured.run(LatencyCase("yolov4-tiny-9", case.input_size, 1, case.picture))
