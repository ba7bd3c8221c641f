"""Windows of ratios: quick upwards, slow downwards, forgiving in silence."""

from __future__ import annotations

import numpy as np
import pytest

from edge.profile.drift import (
    CEILING,
    FLOOR,
    MAX_AGE_MS,
    MAX_SHAPES,
    STALL,
    WINDOW,
    DeviceDrift,
    DriftWindow,
)


def window(*ratios: float, every_ms: float = 10.0) -> DriftWindow:
    made = DriftWindow()
    for index, ratio in enumerate(ratios):
        made.add(ratio, every_ms * index)
    return made


class TestWindow:
    def test_too_few_ratios_say_nothing(self) -> None:
        assert window(3.0, 3.0).blend(1.0, 20.0) == 1.0

    def test_three_slow_batches_in_a_row_count_at_once(self) -> None:
        assert window(*[1.0] * 50, 2.0, 2.2, 2.1).upper() == 2.0
        assert window(*[1.0] * 50, 2.0, 2.2).upper() == 1.0

    def test_the_two_highest_never_count_and_the_third_is_cut(self) -> None:
        assert window(*[1.0] * 20, 90.0, 1.0, 90.0).upper() == 1.0
        stalls = window(*[1.0, 90.0, 1.0] * 10)
        assert stalls.upper() == STALL

    def test_a_low_ratio_counts_in_full_only_after_many_batches(self) -> None:
        few, many = window(*[0.5] * 8), window(*[0.5] * 32)
        assert few.blend(1.0, 70.0) == pytest.approx(0.5 ** (8 / 32))
        assert many.blend(1.0, 310.0) == pytest.approx(0.5)

    def test_silence_halves_the_weight_every_second_after_a_grace_period(self) -> None:
        made = window(*[4.0] * 5)
        last_ms = 40.0
        assert made.fresh(last_ms + 500.0) == 1.0
        assert made.fresh(last_ms + 1500.0) == pytest.approx(0.5)
        assert made.blend(1.0, last_ms + 1500.0) == pytest.approx(2.0)

    def test_one_fast_batch_after_a_silence_refutes_the_slow_ones(self) -> None:
        made = window(*[4.0] * 5)
        made.add(1.0, 2000.0)
        assert len(made) == 1
        still_slow = window(*[4.0] * 5)
        still_slow.add(3.5, 2000.0)
        assert len(still_slow) == 6

    def test_it_is_bounded_in_number_and_in_time(self) -> None:
        made = window(*[1.0] * (WINDOW + 20), every_ms=1.0)
        assert len(made) == WINDOW
        made.expire(WINDOW + 20 + MAX_AGE_MS)
        assert len(made) == 0


class TestDevice:
    def drift(self, ratio: float, pixels: int, count: int = 40) -> DeviceDrift:
        made = DeviceDrift()
        for index in range(count):
            made.observe("yolov4-tiny", pixels, 1, ratio, 10.0 * index)
        return made

    def test_without_observations_nothing_has_drifted(self) -> None:
        ratios, recent, tightness = DeviceDrift().ratios("yolov4-tiny", [100, 200], 3, 0.0)
        assert np.array_equal(ratios, np.ones((2, 3)))
        assert (recent, tightness) == ([False, False], [None, None])

    def test_shapes_inherit_the_more_the_nearer_and_other_networks_the_least(self) -> None:
        made = self.drift(2.0, 10_000)
        rows = [10_000, 20_000, 160_000]
        ratios, recent, _ = made.ratios("yolov4-tiny", rows, 2, 400.0)
        assert recent == [True, False, False]
        assert ratios[0] == pytest.approx([2.0, 2.0], rel=0.01)
        assert 2.0 > ratios[1, 0] > ratios[2, 0] > 1.0
        other, _, _ = made.ratios("yolov4", [20_000], 2, 400.0)
        assert 1.0 < other[0, 0] < ratios[1, 0]

    def test_a_new_shape_and_a_moved_estimate_are_reported(self) -> None:
        made = DeviceDrift()
        reports = [made.observe("yolov4-tiny", 100, 1, 2.0, 10.0 * n) for n in range(4)]
        assert [is_new for is_new, _ in reports] == [True, False, False, False]
        assert [moved for _, moved in reports] == [False, False, True, False]

    def test_ratios_are_kept_within_bounds(self) -> None:
        slow, _, _ = self.drift(1e9, 100).ratios("yolov4-tiny", [100], 1, 400.0)
        fast, _, _ = self.drift(1e-9, 100).ratios("yolov4-tiny", [100], 1, 400.0)
        assert slow[0, 0] == pytest.approx(CEILING)
        assert fast[0, 0] == pytest.approx(FLOOR)

    def test_a_steady_device_has_its_median_at_its_upper_quantile(self) -> None:
        _, _, tightness = self.drift(1.5, 100).ratios("yolov4-tiny", [100], 1, 400.0)
        assert tightness == [1.0]

    def test_it_is_silent_once_everything_is_too_old(self) -> None:
        made = self.drift(2.0, 100)
        assert not made.is_silent(1000.0)
        assert made.is_silent(1000.0 + MAX_AGE_MS)

    def test_shapes_are_bounded(self) -> None:
        made = DeviceDrift()
        for pixels in range(1, MAX_SHAPES + 10):
            made.observe("yolov4-tiny", pixels, 1, 1.0, float(pixels))
        assert len(made.pixels("yolov4-tiny")) == MAX_SHAPES
        assert 1 not in made.pixels("yolov4-tiny")
