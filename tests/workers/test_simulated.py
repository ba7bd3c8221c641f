from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edge.ipc.picture import Picture
from edge.workers.simulated import SimulatedDevice, made_up_boxes
from tests.workers.recorder import VARIANT, noise


def latencies(device: SimulatedDevice, count: int) -> list[float]:
    return [device.latency_ms(VARIANT, (416, 256), 1) for _ in range(count)]


def opened(name: str, seed: int = 0) -> SimulatedDevice:
    return SimulatedDevice(Path(name.removeprefix("sim:")), seed=seed)


def test_latencies_follow_the_profile(simulated: Callable[..., str]) -> None:
    drawn = latencies(opened(simulated(20.0, 30.0)), 5000)
    assert abs(statistics.median(drawn) - 20.0) < 0.5
    assert abs(float(np.quantile(drawn, 0.985)) - 30.0) < 2.0
    assert max(drawn) <= 30.0 + 1e-9


def test_the_same_seed_gives_the_same_latencies(simulated: Callable[..., str]) -> None:
    name = simulated(20.0, 30.0)
    assert latencies(opened(name), 50) == latencies(opened(name), 50)
    assert latencies(opened(name), 50) != latencies(opened(name, seed=1), 50)


def test_a_batch_takes_as_long_as_was_drawn(simulated: Callable[..., str]) -> None:
    import time

    device = opened(simulated(20.0))
    started = time.monotonic()
    boxes = device.detect([noise(416, 234)], VARIANT)
    assert time.monotonic() - started >= 0.020
    assert len(boxes) == 1


def spot(row: int, column: int) -> Picture:
    luma = np.full((240, 320), 60, np.uint8)
    luma[30 * row : 30 * row + 30, 40 * column : 40 * column + 40] = 220
    chroma = np.full((120, 160), 128, np.uint8)
    return Picture(320, 240, luma, chroma, chroma)


def test_boxes_are_where_something_is() -> None:
    boxes = made_up_boxes(spot(2, 5))
    assert len(boxes) == 1
    assert boxes[0][2:] == (5 / 8, 2 / 8, 6 / 8, 3 / 8)
    assert made_up_boxes(spot(6, 1))[0][2:] == (1 / 8, 6 / 8, 2 / 8, 7 / 8)
    assert made_up_boxes(spot(2, 5)) == boxes


def test_a_flat_picture_shows_nothing() -> None:
    flat = np.full((16, 16), 90, np.uint8)
    chroma = np.full((8, 8), 128, np.uint8)
    assert made_up_boxes(Picture(16, 16, flat, chroma, chroma)) == []


def test_the_smallest_picture_is_a_picture() -> None:
    assert made_up_boxes(noise(1, 1)) == []
