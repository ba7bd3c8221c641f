"""The input size that a fixed network gets: the largest that the devices have time for."""

from __future__ import annotations

from edge.profile.latency import LatencyEntry, LatencyProfile
from edge.profile.variant import Variant
from netem.experiment.fixed_size import fixed_long_side

LONG_SIDES = (128, 320, 608)
MS = {128: 2.0, 320: 8.0, 608: 20.0}


def chosen(frames_a_second: float, slo_ms: float, devices: int = 1) -> int:
    entries = [
        LatencyEntry(Variant("yolov4", side).name, side, side, 1, p50_ms=ms, p99_ms=ms)
        for side, ms in MS.items()
    ]
    profile = LatencyProfile(entries, device="test", machine="test")
    return fixed_long_side(
        "yolov4",
        LONG_SIDES,
        (1000, 1000),
        [profile] * devices,
        frames_a_second=frames_a_second,
        slo_ms=slo_ms,
    )


def test_at_most_half_of_the_devices_time_is_used() -> None:
    assert chosen(24.0, 1000.0) == 608
    assert chosen(26.0, 1000.0) == 320
    assert chosen(48.0, 1000.0, devices=2) == 608
    assert chosen(64.0, 1000.0) == 128


def test_a_picture_takes_at_most_a_quarter_of_the_objective() -> None:
    assert chosen(1.0, 80.0) == 608
    assert chosen(1.0, 79.0) == 320


def test_the_smallest_is_used_where_even_that_is_too_slow() -> None:
    assert chosen(1000.0, 20.0) == 128
