"""Options follow the devices' profiles, and which devices are live."""

from __future__ import annotations

import math

import pytest

from edge.batching.device_latencies import MAX_CACHED, DeviceLatencies
from edge.batching.latency_options import LatencyOptions
from edge.profile.latency import LatencyEntry, LatencyProfile
from tests.batching.devices import cpu, gpu, names

SQUARE = (608, 608)


def options(latencies: DeviceLatencies, *long_sides: int) -> LatencyOptions:
    found = latencies.options(names(*long_sides), SQUARE)
    assert found is not None
    return found


def test_an_option_has_every_devices_latency_for_each_batch() -> None:
    (option,) = options(DeviceLatencies([cpu(46.0), gpu()], max_batch=2), 608).options
    assert option.input_size == SQUARE
    assert option.batch_ms == [pytest.approx([46.0, 92.0]), pytest.approx([20.0, 32.0])]
    assert option.single_ms == [pytest.approx(46.0), pytest.approx(20.0)]
    assert option.fastest_ms == pytest.approx(20.0)


def test_the_cost_is_that_of_all_live_devices_in_their_best_batches() -> None:
    latencies = DeviceLatencies([gpu(), gpu()], max_batch=8)
    (option,) = options(latencies, 608).options
    assert option.alone_ms == pytest.approx(20.0 / 2)
    assert option.cost_ms == pytest.approx((8 + 8 * 12) / 8 / 2)
    latencies.batch_limit_ms = 50.0  # three fit, 8 + 3 x 12 ms
    assert options(latencies, 608).options[0].cost_ms == pytest.approx((8 + 3 * 12) / 3 / 2)


def test_a_lost_device_no_longer_counts_until_it_is_live_again() -> None:
    latencies = DeviceLatencies([cpu(46.0), gpu()], max_batch=8)
    latencies.set_live(1, False)
    assert options(latencies, 608).fastest_ms == pytest.approx(46.0)
    latencies.set_live(0, False)
    assert math.isinf(options(latencies, 608).fastest_ms)
    assert not latencies.any_live
    latencies.set_live(1, True)
    assert options(latencies, 608).fastest_ms == pytest.approx(20.0)


def test_refresh_follows_a_profile_that_has_drifted() -> None:
    profile = cpu(46.0)
    latencies = DeviceLatencies([profile], max_batch=8)
    found = options(latencies, 608)
    for index in range(10):
        profile.observe("yolov4-tiny-608", SQUARE, 1, 92.0, float(index))
    latencies.check()
    latencies.refresh(found)
    assert found.fastest_ms == pytest.approx(92.0, rel=0.02)


def test_time_passes_for_one_profile_after_the_other() -> None:
    profiles = [cpu(46.0), cpu(46.0)]
    for profile in profiles:
        for index in range(10):
            profile.observe("yolov4-tiny-608", SQUARE, 1, 460.0, float(index))
    latencies = DeviceLatencies(profiles, max_batch=8)
    for step in range(40):
        latencies.advance(500.0 * step)
    assert options(latencies, 608).fastest_ms == pytest.approx(46.0, rel=0.05)


def test_variants_that_no_device_has_are_left_out_until_a_profile_brings_them() -> None:
    latencies = DeviceLatencies([cpu()], max_batch=8)
    wanted = ("yolov4-416", "nonsense", "yolov4-tiny-416")
    found = latencies.options(wanted, SQUARE)
    assert found is not None
    assert [option.variant for option in found.options] == ["yolov4-tiny-416"]
    assert latencies.options(("yolov4-416",), SQUARE) is None
    latencies.replace(0, LatencyProfile([LatencyEntry("yolov4-416", 416, 416, 1, 30.0, 30.0)]))
    assert latencies.options(("yolov4-416",), SQUARE) is not None


def test_options_are_shared_by_shapes_with_the_same_input() -> None:
    latencies = DeviceLatencies([cpu()], max_batch=8)
    first, second = (latencies.options(names(416), size) for size in ((640, 360), (1280, 720)))
    assert first is not None
    assert second is not None
    assert first is not second
    assert first.options[0] is second.options[0]


def test_the_cache_is_bounded() -> None:
    latencies = DeviceLatencies([cpu()], max_batch=1)
    first = latencies.options(names(128), (1, 1000))
    for width in range(2, MAX_CACHED + 3):
        latencies.options(names(128), (width, 1000))
    assert latencies.options(names(128), (1, 1000)) is not first


def test_a_network_that_is_loaded_later_has_options_from_then_on() -> None:
    profile = cpu(46.0)
    latencies = DeviceLatencies([profile], max_batch=2)
    latencies.check()
    assert latencies.options(("mine-608",), SQUARE) is None
    profile.add([LatencyEntry("mine-608", 608, 608, 1, 5.0, 6.0)])
    latencies.check()
    found = latencies.options(("mine-608",), SQUARE)
    assert found is not None
    assert found.fastest_ms == pytest.approx(6.0)
