"""Counted crossings beside those of the hand count."""

from __future__ import annotations

import pytest

from analysis.bench.tracks.hand_count import Comparison, compare, load_clips


@pytest.mark.parametrize(
    ("by_hand", "counted", "found"),
    [
        ([1.0, 5.0], [1.4, 5.2], 2),
        ([1.0, 5.0], [5.2], 1),
        ([1.0], [1.1, 1.2], 1),
        ([1.0], [3.0], 0),
        ([], [3.0], 0),
        ([33.9, 34.2], [34.1, 34.5], 2),
    ],
)
def test_each_crossing_is_found_once(
    by_hand: list[float], counted: list[float], found: int
) -> None:
    result = compare(by_hand, counted)
    assert result == Comparison(len(by_hand), len(counted), found)
    assert (result.missed, result.false) == (len(by_hand) - found, len(counted) - found)


def test_the_file_has_both_clips() -> None:
    fixed, montage = load_clips()
    assert (fixed.file, len(fixed.crossings["in"]), len(fixed.crossings["out"])) == (
        "vtest.avi",
        8,
        12,
    )
    assert montage.file == "bikes.mp4"
    for clip in (fixed, montage):
        times = [at_s for each in clip.crossings.values() for at_s in each]
        assert 0.0 <= min(times) <= max(times) <= clip.seconds
