"""The counts of a session that has ended."""

from __future__ import annotations

import pytest

from edge.api.operator.ended_sessions import final_outcomes


@pytest.mark.parametrize(
    ("seen", "counted", "final"),
    [
        (
            {"in_time": 80, "answered_late": 5, "lost": 2},
            {"answered": 90, "lost": 3, "stopped": 1},
            {"in_time": 85, "answered_late": 5, "lost": 3, "stopped": 1},
        ),
        ({"in_time": 7, "lost": 2}, {}, {"in_time": 7, "lost": 2}),
        ({}, {"answered": 4}, {"in_time": 4}),
        ({}, {"lost": 4}, {"lost": 4}),
        ({}, {}, {}),
    ],
)
def test_answers_are_in_time_but_for_those_seen_to_be_late(
    seen: dict[str, int], counted: dict[str, int], final: dict[str, int]
) -> None:
    assert final_outcomes(seen, counted) == final
