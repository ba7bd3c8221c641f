"""Crossings of a line by tracks, from detections."""

from __future__ import annotations

from analysis.bench.tracks.counting import count
from analysis.bench.tracks.hand_count import Clip
from edge.tracking.settings import LineSettings
from tests.tracking.moving import box, pictures


def test_somebody_who_walks_to_the_right_and_back() -> None:
    line = LineSettings(name="line", start=(0.5, 1.0), end=(0.5, 0.0))
    clip = Clip("none", 10.0, line, {"in": [], "out": []})
    frames = pictures([lambda at_s: box(0.2 + 0.1 * (at_s if at_s < 5 else 10 - at_s), 0.5)], 10.0)
    counted = count(clip, frames, ["person"])
    assert [round(at_s) for at_s in counted.crossings["in"]] == [3]
    assert [round(at_s) for at_s in counted.crossings["out"]] == [7]
    assert {ids[0] for _, _, ids in counted.frames} == {1}
