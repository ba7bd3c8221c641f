"""When files are rotated, their names, and which go."""

from __future__ import annotations

import pytest

from edge.sinks.files.rotation import is_due, rotated_name, surplus


@pytest.mark.parametrize(
    ("size", "more", "age_s", "due"),
    [
        (900, 100, 0.0, False),
        (900, 101, 0.0, True),
        (1, 1, 59.9, False),
        (1, 1, 60.0, True),
        (0, 5000, 1e9, False),  # an empty file has nothing to keep
    ],
)
def test_full_or_old(size: int, more: int, age_s: float, due: bool) -> None:
    assert is_due(size, more, age_s, max_bytes=1000, max_age_s=60.0) == due


def test_names_sort_by_time_and_are_free() -> None:
    first = rotated_name("a", 1_796_064_591.123, [])
    assert first == "a-20261130T184951.123Z.jsonl"
    second = rotated_name("a", 1_796_064_591.123, [first])
    assert second > first
    assert rotated_name("a", 1_796_064_591.9, []) > second


def test_the_oldest_go_and_no_file_of_others() -> None:
    mine = [rotated_name("a", 1_796_064_591.0 + number, []) for number in range(5)]
    others = [
        "a.jsonl",
        "a-notes.jsonl",
        "a-b-20261130T184951.123Z.jsonl",
        "b.jsonl",
        mine[0] + ".gz",
    ]
    assert surplus("a", [*reversed(mine), *others], 3) == mine[:2]
    assert surplus("a", mine, 9) == []
