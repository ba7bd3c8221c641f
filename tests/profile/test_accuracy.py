"""Accuracy profiles: interpolation, what they promise a scheduler, files."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.profile.accuracy import AccuracyError, AccuracyProfile, AccuracyRow, wide_pixels
from edge.profile.variant import LONG_SIDES

TINY = "yolov4-tiny-416"
REPO = Path(__file__).parents[2]


def row(
    bits_a_pixel: float,
    f1: dict[int, float],
    *,
    sent: int = 416,
    clip: str = "street",
    codec: str = "vp8",
    shape: float = 9 / 16,
) -> AccuracyRow:
    pixels = round(sent * sent * shape)
    bits, ap = bits_a_pixel * pixels, dict.fromkeys(f1, 0.5)
    return AccuracyRow("yolov4-tiny", clip, codec, sent, pixels, 100.0, bits, f1, ap)


def at(
    profile: AccuracyProfile, bits_a_pixel: float, variant: str = TINY, sent: int = 416
) -> float:
    return profile.f1(variant, sent, bits_a_pixel * wide_pixels(sent) * 15, 15)


def two_sizes() -> AccuracyProfile:
    return AccuracyProfile(
        [
            row(0.1, {128: 0.2, 416: 0.4}),
            row(0.4, {128: 0.3, 416: 0.8}),
            row(0.1, {128: 0.1, 416: 0.2}, sent=224),
            row(0.4, {128: 0.2, 416: 0.4}, sent=224),
        ]
    )


class TestInterpolation:
    def test_measured_points_are_returned_as_they_are(self) -> None:
        profile = two_sizes()
        assert at(profile, 0.1) == pytest.approx(0.4)
        assert at(profile, 0.4) == pytest.approx(0.8)
        assert at(profile, 0.4, "yolov4-tiny-128", 224) == pytest.approx(0.2)

    def test_between_bits_it_goes_by_their_logarithm(self) -> None:
        assert at(two_sizes(), 0.2) == pytest.approx(0.6)

    def test_more_bits_than_measured_change_nothing(self) -> None:
        assert at(two_sizes(), 9.0) == pytest.approx(0.8)

    def test_fewer_bits_than_measured_are_fewer_frames(self) -> None:
        assert at(two_sizes(), 0.05) == pytest.approx(0.2)
        assert at(two_sizes(), 0.0) == 0.0

    def test_between_sizes_it_is_linear(self) -> None:
        profile = two_sizes()
        assert at(profile, 0.4, sent=320) == pytest.approx(0.6)
        assert at(profile, 0.4, "yolov4-tiny-288") == pytest.approx(0.3 + 0.5 * 160 / 288)

    def test_beyond_the_measured_sizes(self) -> None:
        profile = two_sizes()
        assert at(profile, 0.4, sent=608) == pytest.approx(0.8)
        assert at(profile, 0.4, sent=1280) == pytest.approx(0.8)
        assert at(profile, 0.4, sent=128) == pytest.approx(0.4 * 128 / 224)
        assert at(profile, 0.4, sent=64) == pytest.approx(0.4 * 64 / 224)
        assert at(profile, 0.4, "yolov4-tiny-608") == pytest.approx(0.8)

    def test_another_shape_is_compared_by_bits_a_pixel(self) -> None:
        profile = AccuracyProfile(
            [row(0.1, {416: 0.4}, shape=0.25), row(0.4, {416: 0.8}, shape=0.25)]
        )
        assert at(profile, 0.2) == pytest.approx(0.6)
        square = 416 * 416
        assert profile.f1(TINY, 416, 0.2 * square * 15, 15, pixels=square) == pytest.approx(0.6)

    def test_clips_count_alike_however_many_points_they_have(self) -> None:
        one = [row(0.1, {416: 0.2}), row(0.2, {416: 0.2}), row(0.4, {416: 0.2})]
        other = [row(0.1, {416: 0.6}, clip="park")]
        assert at(AccuracyProfile([*one, *other]), 0.4) == pytest.approx(0.4)

    def test_noise_is_levelled_to_the_mean(self) -> None:
        profile = AccuracyProfile(
            [row(b, {416: f1}) for b, f1 in ((0.1, 0.5), (0.2, 0.7), (0.4, 0.6))]
        )
        assert at(profile, 0.2) == at(profile, 0.4) == pytest.approx(0.65)

    def test_enough_is_where_the_share_is_reached(self) -> None:
        profile = two_sizes()
        bps = profile.enough_bps(TINY, 416, 15, share=0.75)
        assert bps == pytest.approx(0.2 * wide_pixels(416) * 15, rel=1e-6)

    def test_a_flat_curve_needs_no_more_than_the_fewest_bits(self) -> None:
        profile = AccuracyProfile([row(0.1, {416: 0.5}), row(0.4, {416: 0.5})])
        assert profile.enough_bps(TINY, 416, 10) == pytest.approx(
            0.98 * 0.1 * wide_pixels(416) * 10
        )


class TestAskingForTheUnmeasured:
    def test_another_network_is_refused(self) -> None:
        with pytest.raises(AccuracyError, match="yolov4 was not measured.*as_network"):
            at(two_sizes(), 0.1, "yolov4-416")

    def test_unless_the_caller_names_its_stand_in(self) -> None:
        profile = AccuracyProfile(two_sizes().rows, as_network="yolov4-tiny")
        assert at(profile, 0.1, "yolov4-416") == at(profile, 0.1, TINY)

    def test_a_stand_in_must_have_been_measured(self) -> None:
        with pytest.raises(AccuracyError, match="as_network: yolov4"):
            AccuracyProfile(two_sizes().rows, as_network="yolov4")

    def test_another_codec_is_refused(self) -> None:
        with pytest.raises(AccuracyError, match="codec h264.*only vp8"):
            two_sizes().f1(TINY, 416, 1e6, 15, codec="h264")

    @pytest.mark.parametrize("share", [0.0, 1.1])
    def test_a_share_beyond_reason_is_refused(self, share: float) -> None:
        with pytest.raises(ValueError, match="share"):
            two_sizes().enough_bps(TINY, 416, 15, share)


points = st.lists(
    st.tuples(
        st.floats(0.001, 10.0),
        st.dictionaries(st.sampled_from(LONG_SIDES), st.floats(0.0, 1.0), min_size=1, max_size=4),
        st.sampled_from([64, 128, 200, 416, 608, 1280]),
        st.sampled_from(["street", "park"]),
    ),
    min_size=1,
    max_size=12,
)
variants = st.sampled_from([f"yolov4-tiny-{long_side}" for long_side in LONG_SIDES])


def profile_of(measured: list[tuple[float, dict[int, float], int, str]]) -> AccuracyProfile:
    return AccuracyProfile([row(b, f1, sent=sent, clip=clip) for b, f1, sent, clip in measured])


@given(points, variants, st.integers(1, 2000))
def test_f1_is_within_bounds_and_never_falls_as_bits_grow(
    measured: list[tuple[float, dict[int, float], int, str]], variant: str, sent: int
) -> None:
    profile = profile_of(measured)
    row_of_bits = [at(profile, float(b), variant, sent) for b in np.geomspace(1e-5, 100, 60)]
    assert all(0.0 <= value <= 1.0 + 1e-9 for value in row_of_bits)
    assert all(low <= high + 1e-9 for low, high in pairwise(row_of_bits))


@given(points, variants, st.integers(32, 1300), st.floats(0.05, 1.0))
def test_enough_is_enough_and_no_more(
    measured: list[tuple[float, dict[int, float], int, str]],
    variant: str,
    sent: int,
    share: float,
) -> None:
    profile = profile_of(measured)
    most = at(profile, 1e6, variant, sent)
    bps = profile.enough_bps(variant, sent, 15, share)
    assert profile.f1(variant, sent, bps, 15) >= share * most - 1e-6
    if share * most > 1e-6:
        assert profile.f1(variant, sent, 0.9 * bps, 15) < share * most


@given(
    points, st.lists(st.tuples(st.integers(1, 2000), st.floats(0.0, 20.0)), min_size=1, max_size=5)
)
def test_the_table_says_what_single_questions_say(
    measured: list[tuple[float, dict[int, float], int, str]], asked: list[tuple[int, float]]
) -> None:
    profile = AccuracyProfile(profile_of(measured).rows, as_network="yolov4-tiny")
    names = ["yolov4-tiny-128", "yolov4-tiny-608", "yolov4-320"]
    table = profile.f1_table(names, [sent for sent, _ in asked], [bits for _, bits in asked])
    for line, (sent, bits) in zip(table, asked, strict=True):
        bps = bits * wide_pixels(sent) * 15
        single = [profile.f1(name, sent, bps, 15) for name in names]
        assert line.tolist() == pytest.approx(single, abs=1e-9)
