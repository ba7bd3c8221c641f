"""Accuracy that is assumed by a factor."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.profile.accuracy import AccuracyError
from edge.profile.accuracy_file import load_accuracy_profile, save_accuracy_profile
from netem.assumed_accuracy import assume

MEASURED = load_accuracy_profile(
    Path(__file__).parents[2] / "profiles" / "accuracy-yolov4-tiny.json"
)


def test_each_network_has_the_measured_f1_times_its_factor(tmp_path: Path) -> None:
    made = assume(MEASURED, "yolov4-tiny", {"yolov4-tiny": 0.5, "yolov4": 1.0})
    save_accuracy_profile(made, tmp_path / "assumed.json")
    read = load_accuracy_profile(tmp_path / "assumed.json")
    assert read.networks == ("yolov4", "yolov4-tiny")
    assert read.machine.startswith("ASSUMED")
    for long_side in (128, 416, 608):
        for bps in (50_000, 1e6):
            real = MEASURED.f1(f"yolov4-tiny-{long_side}", 320, bps, 15)
            assert read.f1(f"yolov4-{long_side}", 320, bps, 15) == pytest.approx(real)
            assert read.f1(f"yolov4-tiny-{long_side}", 320, bps, 15) == pytest.approx(real / 2)


def test_nothing_is_assumed_without_factors_nor_from_a_network_that_was_not_measured() -> None:
    assert assume(MEASURED, None, {}) is MEASURED
    with pytest.raises(AccuracyError, match="as_network: yolov4 was not measured"):
        assume(MEASURED, "yolov4", {"yolov4": 1.0})
