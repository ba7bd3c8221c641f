"""Bits for equal F1: on curves whose answer is known, and on the project's own measurements."""

import math

import numpy as np
import pytest

from analysis.figures.exhibits.codecs import CodecComparison, bits_for_equal_f1
from analysis.figures.sources import PROFILES
from edge.profile.accuracy import AccuracyError, AccuracyProfile, AccuracyRow
from edge.profile.accuracy_file import load_accuracy_profile

FPS = 10.0
PIXELS = 320 * 180


def row(clip: str, codec: str, bits: float, f1: float, long_side: int = 320) -> AccuracyRow:
    pixels = 320 * 320 if codec == "jpeg90" else PIXELS
    return AccuracyRow(
        "yolov4-tiny", clip, codec, long_side, pixels, bits, bits, {long_side: f1}, {long_side: f1}
    )


def profile(*rows: AccuracyRow) -> AccuracyProfile:
    return AccuracyProfile(rows, reference="yolov4-tiny-608")


VP8 = [row("a", "vp8", bits, f1) for bits, f1 in ((1e4, 0.4), (2e4, 0.5), (4e4, 0.6))]


def test_the_saving_is_read_off_the_curve() -> None:
    measured = profile(*VP8, row("a", "jpeg90", 3e5, 0.55))
    saving = CodecComparison(measured, "yolov4-tiny", FPS).saving("jpeg90", 320)
    # F1 is linear in the logarithm of bits: 0.55 lies half-way between 20 and 40 kbit a frame.
    assert saving.video_bps == pytest.approx(FPS * math.sqrt(2e4 * 4e4), rel=0.01)
    assert saving.times == pytest.approx(3e5 / math.sqrt(2e4 * 4e4), rel=0.01)
    assert (saving.f1, saving.jpeg_bps, saving.is_bound) == (0.55, 3e6, False)


def test_fewer_bits_than_were_measured_are_a_bound() -> None:
    measured = profile(*VP8, row("a", "jpeg90", 3e5, 0.3))
    saving = CodecComparison(measured, "yolov4-tiny", FPS).saving("jpeg90", 320)
    assert saving.is_bound
    assert saving.video_bps == pytest.approx(FPS * 1e4)


def test_an_f1_that_video_never_has_is_no_saving() -> None:
    measured = profile(*VP8, row("a", "jpeg90", 3e5, 0.7))
    saving = CodecComparison(measured, "yolov4-tiny", FPS).saving("jpeg90", 320)
    assert (saving.video_bps, saving.times, saving.best_bps) == (None, None, None)
    (text,) = bits_for_equal_f1(measured, fps=FPS).table.column("times fewer")
    assert text == "not reached"


def test_another_size_may_need_less() -> None:
    larger = [
        AccuracyRow("yolov4-tiny", "a", "vp8", 416, 416 * 234, b, b, {320: f, 416: f}, {})
        for b, f in ((1e4, 0.58), (4e4, 0.6))
    ]
    measured = profile(*VP8, *larger, row("a", "jpeg90", 3e5, 0.55))
    comparison = CodecComparison(measured, "yolov4-tiny", FPS)
    saving = comparison.saving("jpeg90", 320)
    assert saving.best_long_side == 416
    assert saving.best_bps == pytest.approx(1e5)


def test_clips_count_alike() -> None:
    other = [row("b", "vp8", bits, f1 - 0.2) for bits, f1 in ((1e4, 0.4), (2e4, 0.5), (4e4, 0.6))]
    jpegs = [row("a", "jpeg90", 2e5, 0.5), row("b", "jpeg90", 4e5, 0.3)]
    comparison = CodecComparison(profile(*VP8, *other, *jpegs), "yolov4-tiny", FPS)
    assert comparison.jpeg("jpeg90", 320, 320) == pytest.approx((3e6, 0.4))
    curve = comparison.curve(320, 320)
    assert (np.diff(curve.f1) >= 0).all()
    assert curve.least_bps(0.4) == pytest.approx(FPS * 2e4, rel=0.01)


def test_what_was_not_measured_is_named() -> None:
    with pytest.raises(AccuracyError, match="no vp8"):
        CodecComparison(profile(row("a", "jpeg90", 3e5, 0.5)), "yolov4-tiny", FPS)
    two = profile(*VP8, *[row("b", "vp8", r.bits, 0.5) for r in VP8], row("a", "jpeg90", 3e5, 0.5))
    with pytest.raises(AccuracyError, match="b: jpeg90 of 320 px"):
        CodecComparison(two, "yolov4-tiny", FPS).saving("jpeg90", 320)


def test_the_projects_own_measurements_have_every_size() -> None:
    (path,) = PROFILES.glob("accuracy-yolov4-tiny.json")
    exhibit = bits_for_equal_f1(load_accuracy_profile(path))
    sizes = exhibit.table.column("sent and input, px")
    assert sizes == [e for e in (128, 192, 256, 320, 416, 512, 608) for _ in range(2)]
    f1 = exhibit.table.column("F1")
    assert all(isinstance(value, float) and 0.2 < value < 1.0 for value in f1)
