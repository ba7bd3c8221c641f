"""Profiles: interpolation, and staying true while serving."""

import math
import random
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.profile.latency import LatencyEntry, LatencyProfile
from edge.profile.variant import LONG_SIDES, Variant

TINY = "yolov4-tiny-416"
S416, S320, S608 = (416, 416), (320, 320), (608, 608)
REPO = Path(__file__).parents[2]


def square(long_side: int, batch: int, p99_ms: float, network: str = "yolov4-tiny") -> LatencyEntry:
    return LatencyEntry(f"{network}-{long_side}", long_side, long_side, batch, 0.8 * p99_ms, p99_ms)


def cpu_like() -> LatencyProfile:
    """A CPU: batching buys nothing."""
    return LatencyProfile([square(e, b, b * e * e / 8000) for e in LONG_SIDES for b in (1, 2, 4)])


def test_networks_can_be_added_and_those_held_stay_as_they_are() -> None:
    profile = cpu_like()
    before = profile.latency_ms(TINY, S416, 2), profile.version
    assert profile.latency_ms("mine-416", S416, 1) == math.inf
    profile.add([square(416, 1, 7.0, "mine"), square(416, 8, 9.0, "mine"), square(416, 1, 1.0)])
    assert profile.networks == ("yolov4-tiny", "mine")
    assert profile.latency_ms("mine-416", S416, 1) == pytest.approx(7.0)
    assert profile.latency_ms(TINY, S416, 2) == before[0]
    assert profile.version > before[1]
    for number in range(40):
        profile.observe("mine-416", S416, 1, 14.0, 66.0 * number)
        profile.advance(66.0 * number)
    assert profile.latency_ms("mine-416", S416, 1) > 7.0


def feed(
    profile: LatencyProfile,
    ratio: float,
    times: int,
    *,
    long_side: int = 416,
    start_ms: float = 0.0,
    every_ms: float = 66.0,
) -> float:
    """Batches of one that take `ratio` times what was declared; returns the time of the last."""
    declared = cpu_like().latency_ms(f"yolov4-tiny-{long_side}", (long_side, long_side), 1)
    now = start_ms
    for index in range(times):
        now = start_ms + index * every_ms
        profile.observe(
            f"yolov4-tiny-{long_side}", (long_side, long_side), 1, ratio * declared, now
        )
        profile.advance(now)
    return now


class TestDeclared:
    def test_measured_points_are_returned_as_they_are(self) -> None:
        profile = LatencyProfile([square(320, 1, 14), square(416, 1, 21), square(416, 4, 80)])
        assert profile.latency_ms("yolov4-tiny-320", S320, 1) == 14
        assert profile.latency_ms(TINY, S416, 4) == 80

    @pytest.mark.parametrize(
        ("batch", "expected"),
        [
            (2, 20.0),  # at most two of batch 1, though batch 4 would allow 28
            (3, 28.0),  # at most what batch 4 takes, though three of batch 1 would be 30
            (5, 35.0),  # beyond the largest: its per-image cost
            (8, 56.0),
        ],
    )
    def test_unmeasured_batches_are_bounded_from_above(self, batch: int, expected: float) -> None:
        profile = LatencyProfile([square(416, 1, 10), square(416, 4, 28)], max_batch=4)
        assert profile.latency_ms(TINY, S416, batch) == pytest.approx(expected)

    def test_smaller_batches_than_measured_take_as_long_as_the_smallest(self) -> None:
        profile = LatencyProfile([square(416, 4, 28)])
        assert profile.latency_ms(TINY, S416, 1) == 28

    def test_shapes_go_by_pixels(self) -> None:
        profile = LatencyProfile([square(320, 1, 10), square(416, 1, 20)])
        half = (320 * 320 + 416 * 416) // 2
        width = 352
        assert profile.latency_ms(TINY, (width, half // width), 1) == pytest.approx(15, abs=0.05)
        assert profile.latency_ms(TINY, (416, 256), 1) == pytest.approx(
            10 + 10 * (416 * 256 - 320 * 320) / (416 * 416 - 320 * 320)
        )

    def test_outside_the_measured_sizes(self) -> None:
        profile = LatencyProfile([square(320, 1, 10), square(416, 1, 20)])
        assert profile.latency_ms("yolov4-tiny-128", (128, 128), 1) == 10
        assert profile.latency_ms("yolov4-tiny-608", S608, 1) == pytest.approx(
            20 * 608 * 608 / (416 * 416)
        )

    def test_networks_are_apart_and_an_unknown_one_never_ends(self) -> None:
        profile = LatencyProfile([square(416, 1, 20), square(416, 1, 90, "yolov4")])
        assert profile.latency_ms("yolov4-416", S416, 1) == 90
        tiny_only = LatencyProfile([square(416, 1, 20)])
        assert math.isinf(tiny_only.latency_ms("yolov4-416", S416, 1))
        assert math.isinf(tiny_only.typical_ms("yolov4-416", S416, 1))

    def test_a_measured_inversion_is_levelled_upward(self) -> None:
        profile = LatencyProfile([square(320, 1, 25), square(416, 1, 20), square(416, 2, 19)])
        assert profile.latency_ms(TINY, S416, 1) == 25
        assert profile.latency_ms(TINY, S416, 2) == 25

    def test_a_batch_of_none_is_refused(self) -> None:
        with pytest.raises(ValueError, match="batch of 0"):
            cpu_like().latency_ms(TINY, S416, 0)


class TestObserved:
    def test_a_slowdown_counts_from_the_third_batch(self) -> None:
        profile = cpu_like()
        declared = profile.latency_ms(TINY, S416, 1)
        feed(profile, 2.0, 3)
        assert profile.latency_ms(TINY, S416, 1) == pytest.approx(2.0 * declared, rel=0.02)

    def test_a_slowdown_after_a_long_calm_counts_as_fast(self) -> None:
        profile = cpu_like()
        declared = profile.latency_ms(TINY, S416, 1)
        now = feed(profile, 0.9, 90)
        feed(profile, 2.0, 3, start_ms=now)
        assert profile.latency_ms(TINY, S416, 1) > 1.9 * declared

    def test_one_stall_changes_nothing(self) -> None:
        profile = cpu_like()
        now = feed(profile, 0.9, 40)
        before = profile.latency_ms(TINY, S416, 1)
        profile.observe(TINY, S416, 1, 500.0, now + 10)
        assert profile.latency_ms(TINY, S416, 1) == pytest.approx(before, rel=0.02)

    def test_even_repeated_stalls_leave_it_usable(self) -> None:
        profile = cpu_like()
        declared = profile.latency_ms(TINY, S416, 1)
        now = 0.0
        for _ in range(8):
            now = feed(profile, 0.9, 10, start_ms=now + 66)
            profile.observe(TINY, S416, 1, 2000.0, now + 30)
        assert profile.latency_ms(TINY, S416, 1) < 2.6 * declared

    def test_it_comes_down_only_after_many_fast_batches(self) -> None:
        profile = cpu_like()
        declared = profile.latency_ms(TINY, S416, 1)
        feed(profile, 0.5, 5)
        assert profile.latency_ms(TINY, S416, 1) > 0.8 * declared
        feed(profile, 0.5, 80, start_ms=400)
        assert profile.latency_ms(TINY, S416, 1) < 0.6 * declared

    def test_a_slow_spell_ends_after_a_windowful_of_fast_batches(self) -> None:
        profile = cpu_like()
        declared = profile.latency_ms(TINY, S416, 1)
        now = feed(profile, 3.0, 30)
        now = feed(profile, 1.0, 20, start_ms=now)
        assert profile.latency_ms(TINY, S416, 1) > 2.0 * declared
        feed(profile, 1.0, 120, start_ms=now)
        assert profile.latency_ms(TINY, S416, 1) < 1.1 * declared

    def test_silence_forgives(self) -> None:
        profile = cpu_like()
        declared = profile.latency_ms(TINY, S416, 1)
        now = feed(profile, 20.0, 10)
        assert profile.latency_ms(TINY, S416, 1) > 10 * declared
        latencies_ms = []
        for _ in range(80):  # 20 s in which nothing could be dispatched
            now += 250.0
            profile.advance(now)
            latencies_ms.append(profile.latency_ms(TINY, S416, 1))
        assert latencies_ms == sorted(latencies_ms, reverse=True)
        assert latencies_ms[15] < 2.0 * declared  # a probe gets through within 4 s
        assert latencies_ms[-1] == pytest.approx(declared, rel=0.02)

    def test_a_probe_that_is_slow_again_is_believed_at_once(self) -> None:
        profile = cpu_like()
        declared = profile.latency_ms(TINY, S416, 1)
        now = feed(profile, 10.0, 10)
        for _ in range(12):
            now += 250.0
            profile.advance(now)
        assert profile.latency_ms(TINY, S416, 1) < 4 * declared
        profile.observe(TINY, S416, 1, 10 * declared, now)
        assert profile.latency_ms(TINY, S416, 1) > 9 * declared

    def test_neighbours_inherit_the_nearer_the_more(self) -> None:
        profile, declared = cpu_like(), cpu_like()
        feed(profile, 2.0, 40)

        def ratio(long_side: int, batch: int = 1) -> float:
            name, size = f"yolov4-tiny-{long_side}", (long_side, long_side)
            return profile.latency_ms(name, size, batch) / declared.latency_ms(name, size, batch)

        assert ratio(416, 4) == pytest.approx(2.0, rel=0.05)
        assert ratio(448) > 1.6
        assert ratio(448) > ratio(608) > ratio(416 - 288) > 1.05

    def test_what_was_observed_itself_beats_its_neighbours(self) -> None:
        profile = cpu_like()
        feed(profile, 1.0, 60, long_side=608)
        feed(profile, 3.0, 60, long_side=320)
        assert profile.latency_ms("yolov4-tiny-608", S608, 1) < 1.1 * 608 * 608 / 8000

    def test_nonsense_is_ignored(self) -> None:
        profile = cpu_like()
        version = profile.version
        for ms in (math.nan, math.inf, -1.0):
            for _ in range(5):
                profile.observe(TINY, S416, 1, ms, 0.0)
        profile.observe("yolov4-416", S416, 1, 5.0, 0.0)  # a network it doesn't hold
        assert profile.refresh() == version

    def test_a_handover_is_added_to_every_batch_and_slows_none_in_proportion(self) -> None:
        profile, declared = cpu_like(), cpu_like()
        now = 0.0
        for _ in range(40):
            now += 66
            ms = declared.latency_ms(TINY, S416, 1)
            profile.observe(TINY, S416, 1, ms, now, handover_ms=20.0)
        for name, size in ((TINY, S416), ("yolov4-tiny-608", S608)):
            for batch in (1, 4):
                added_ms = profile.latency_ms(name, size, batch) - declared.latency_ms(
                    name, size, batch
                )
                assert added_ms == pytest.approx(20.0, abs=0.5)
                assert profile.typical_ms(name, size, batch) <= profile.latency_ms(
                    name, size, batch
                )

    def test_a_handover_is_usually_its_median_and_its_stalls_do_not_count(self) -> None:
        profile, declared = cpu_like(), cpu_like()
        now = 0.0
        for index in range(60):
            now += 66
            ms = declared.typical_ms(TINY, S416, 1)
            way_ms = 900.0 if index % 30 == 7 else 6.0 if index % 5 else 12.0
            profile.observe(TINY, S416, 1, ms, now, handover_ms=way_ms)
        typical_ms = declared.typical_ms(TINY, S416, 1)
        assert profile.typical_ms(TINY, S416, 1) - typical_ms == pytest.approx(6.0, abs=0.5)
        assert profile.latency_ms(TINY, S416, 1) - typical_ms == pytest.approx(12.0, abs=0.5)

    def test_silence_forgives_a_handover(self) -> None:
        profile, declared = cpu_like(), cpu_like()
        now = 0.0
        for _ in range(10):
            now += 66
            profile.observe(
                TINY, S416, 1, declared.latency_ms(TINY, S416, 1), now, handover_ms=300.0
            )
        assert profile.latency_ms(TINY, S416, 1) > 300.0
        for _ in range(80):
            now += 250.0
            profile.advance(now)
        assert profile.latency_ms(TINY, S416, 1) == pytest.approx(
            declared.latency_ms(TINY, S416, 1), rel=0.02
        )

    def test_a_handover_that_is_no_time_is_none(self) -> None:
        profile, declared = cpu_like(), cpu_like()
        for index in range(8):
            ms = declared.latency_ms(TINY, S416, 1)
            profile.observe(TINY, S416, 1, ms, 66.0 * index, handover_ms=-5.0)
            profile.observe(TINY, S416, 1, ms, 66.0 * index, handover_ms=math.nan)
        assert profile.latency_ms(TINY, S416, 1) == pytest.approx(ms, rel=0.02)

    def test_typical_follows_the_median_and_stays_below(self) -> None:
        profile = cpu_like()
        rng = random.Random(1)
        now = 0.0
        declared = 416 * 416 / 8000
        for _ in range(90):
            now += 66
            slow = rng.random() < 0.2
            profile.observe(TINY, S416, 1, declared * (1.8 if slow else 1.0), now)
        assert profile.typical_ms(TINY, S416, 1) == pytest.approx(declared, rel=0.1)
        assert profile.latency_ms(TINY, S416, 1) == pytest.approx(1.8 * declared, rel=0.1)


observations = st.lists(
    st.tuples(
        st.sampled_from(LONG_SIDES),
        st.sampled_from([(1, 1), (16, 9), (9, 16), (4, 3)]),
        st.integers(1, 6),
        st.floats(0.01, 5000.0),
        st.floats(0.0, 2000.0),
    ),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(observations)
def test_latency_is_finite_and_monotone_whatever_was_observed(
    observed: list[tuple[int, tuple[int, int], int, float, float]],
) -> None:
    profile = cpu_like()
    now = 0.0
    for long_side, (wide, high), batch, ms, gap_ms in observed:
        now += gap_ms
        variant = Variant("yolov4-tiny", long_side)
        profile.observe(variant.name, variant.input_size(wide, high), batch, ms, now)
        profile.advance(now)
    sizes = sorted(
        {Variant("yolov4-tiny", e).input_size(*s) for e in LONG_SIDES for s in ((1, 1), (16, 9))},
        key=lambda size: size[0] * size[1],
    )
    for batch in range(1, 10):
        row = [profile.latency_ms(TINY, size, batch) for size in sizes]
        assert all(math.isfinite(ms) and ms > 0 for ms in row)
        assert all(a <= b * (1 + 1e-9) for a, b in pairwise(row))
    for size in sizes:
        row = [profile.latency_ms(TINY, size, batch) for batch in range(1, 10)]
        assert all(a <= b * (1 + 1e-9) for a, b in pairwise(row))
        for batch in (1, 3, 9):
            low, high_ms = profile.typical_ms(TINY, size, batch), row[batch - 1]
            assert low <= high_ms * (1 + 1e-9)
