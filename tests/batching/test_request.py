"""Requests are distinguished by identity, not by value."""

from __future__ import annotations

from edge.batching.request import Decision, FrameRequest


def test_two_frames_with_equal_values_are_two_frames() -> None:
    first, second = (FrameRequest("a", 1, (16, 9), 0.0, 100.0, ("v",)) for _ in range(2))
    assert first != second
    assert len({first, second}) == 2


def test_a_decision_without_content_starts_drops_and_schedules_nothing() -> None:
    assert Decision() == Decision(dispatches=(), drops=(), wake_ms=None)
