"""Counts over all sessions of a source."""

from __future__ import annotations

from edge.client.frame_outcomes import FrameOutcomes, PublishedFrame
from edge.publish.totals import Totals, take_ended


def frame(number: int, outcome: str | None = "in_time", latency_ms: float = 40.0) -> PublishedFrame:
    made = PublishedFrame(number, number, number, 1000.0 * number, bytes=1000)
    made.outcome, made.boxes = outcome, [["car", 0.9, 0, 0, 1, 1]]
    if outcome in ("in_time", "late"):
        made.returned_ms = made.captured_ms + latency_ms
    return made


def test_every_frame_is_in_one_count() -> None:
    totals = Totals()
    for number, outcome in enumerate(["in_time", "late", "lost", "lost", None]):
        totals.add(frame(number, outcome))
    written = totals.to_json()
    assert written["captured"] == 5
    assert (written["in_time"], written["late"]) == (1, 1)
    assert written["dropped"] == {"lost": 2, "unanswered": 1}
    assert totals.answered == 2
    line = totals.line(seconds=2.5)
    # Quantiles come from a sketch, to 2.5 %.
    assert "2.0 fps, 1 of 5 frames in time, p50 41 ms, p99 41 ms, 1 late, 2 lost" in line
    assert "seen: car 5" in line


def test_ended_frames_are_taken_once_and_the_others_stay() -> None:
    outcomes = FrameOutcomes(100.0)
    for number in range(10):
        outcomes.captured(frame(number, "in_time" if number < 9 else None))
    totals = Totals()
    totals.merge(take_ended(outcomes, 9_000.0))
    taken = totals.captured
    assert 0 < taken < 9
    totals.merge(take_ended(outcomes, 9_000.0))
    assert totals.captured == taken
    outcomes.close()
    totals.merge(take_ended(outcomes, 9_000.0, all_of_them=True))
    assert totals.to_json()["captured"] == 10
    assert totals.to_json()["dropped"] == {"unanswered": 1}
    assert outcomes.frames == []
