from __future__ import annotations

import statistics
from collections.abc import Sequence

import numpy as np
import pytest

from edge.ipc.picture import Picture
from edge.models.boxes import Box
from edge.profile.variant import Variant
from edge.workers.messages import WarmupBatch
from edge.workers.warmup import SHAPES, LatencySamples, estimate, measure, warmup_batches


def test_every_variant_is_warmed_at_every_input_once() -> None:
    warm = warmup_batches(["yolov4-tiny-128", "yolov4-tiny-608"], batches=(1, 2))
    keys = [(w.variant, Variant.parse(w.variant).input_size(*w.picture), w.batch) for w in warm]
    assert len(keys) == len(set(keys))
    for name in ("yolov4-tiny-128", "yolov4-tiny-608"):
        for shape in (*SHAPES, (1280, 720), (640, 272), (480, 640)):
            for batch in (1, 2):
                assert (name, Variant.parse(name).input_size(*shape), batch) in keys


def test_warm_pictures_have_the_size_that_senders_are_asked_for() -> None:
    (warm,) = warmup_batches(["yolov4-tiny-608"], [(16, 9)])
    assert warm.picture == (608, 342)


class Counting:
    def __init__(self) -> None:
        self.calls: list[tuple[list[tuple[int, int]], str]] = []

    def detect(self, pictures: Sequence[Picture], variant: str) -> list[list[Box]]:
        self.calls.append(([(picture.width, picture.height) for picture in pictures], variant))
        return [[] for _ in pictures]


def test_a_batch_is_measured_by_running_it_a_few_times() -> None:
    device = Counting()
    samples = measure(device.detect, WarmupBatch("yolov4-tiny-416", (416, 234), 3))
    assert len(samples) >= 3
    assert device.calls == [([(416, 234)] * 3, "yolov4-tiny-416")] * len(samples)


def test_one_hiccup_does_not_spoil_its_entry() -> None:
    steady = [
        LatencySamples("yolov4-tiny-416", (32 * n, 256), 1, (10.0, 10.2, 9.8, 10.1, 9.9))
        for n in range(1, 61)
    ]
    hiccup = LatencySamples("yolov4-tiny-608", (608, 352), 1, (20.0, 20.1, 90.0, 19.9, 20.0))
    entry = estimate([*steady, hiccup])[-1]
    assert entry.p50_ms == 20.0
    assert 20.0 < entry.p99_ms < 25.0


def test_the_spread_is_that_of_all_samples() -> None:
    random = np.random.default_rng(1)
    noisy = [
        LatencySamples("yolov4-tiny-416", (32 * n, 256), 1, tuple(10 * random.lognormal(0, 0.2, 9)))
        for n in range(1, 201)
    ]
    p99_ms = float(np.quantile(10 * random.lognormal(0, 0.2, 100_000), 0.99))
    typical = statistics.median(entry.p99_ms for entry in estimate(noisy))
    assert typical == pytest.approx(p99_ms, rel=0.1)


def test_the_first_shape_alone_is_measured_and_comes_last() -> None:
    warm = warmup_batches(["yolov4-tiny-128", "yolov4-tiny-608"])
    assert [w.picture for w in warm[-2:]] == [(128, 72), (608, 342)]
    assert [w.measure for w in warm] == [False] * (len(warm) - 2) + [True] * 2
    unmeasured = warmup_batches(["yolov4-tiny-128", "yolov4-tiny-608"], measure=False)
    assert [w.picture for w in unmeasured[:2]] == [(128, 72), (608, 342)]
    assert not any(w.measure for w in unmeasured)


def test_what_was_not_measured_has_no_estimate() -> None:
    assert estimate([LatencySamples("yolov4-tiny-416", (416, 256), 1, ())]) == []
