"""What the cost is measured on."""

from __future__ import annotations

from analysis.bench.tracks.cost import BOXES, measure, noise, walkers


def test_frames_are_the_same_each_time_and_full() -> None:
    assert walkers(5) == walkers(5)
    assert {len(boxes) for boxes in walkers(5)} == {BOXES}
    assert {len(boxes) for boxes in noise(3)} == {100}


def test_times_of_scenes_with_and_without_places() -> None:
    for places in (0, 2):
        figures = measure(walkers(20), places)
        assert 0.0 < figures["p50_ms"] <= figures["p99_ms"]
