"""The promises about a load that is held for minutes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from analysis.bench.hold.figures import Minute, promises

FIRST = Minute(frames=10_000, missed=100, p50_ms=30.0, p99_ms=90.0, rss_mb=200.0, lag_ms=5.0)


def _kept(minutes: Sequence[Minute], refused: bool = True) -> list[bool | None]:
    return [promise.kept for promise in promises(minutes, refused)]


def test_a_steady_load_keeps_every_promise() -> None:
    assert FIRST.share == pytest.approx(0.01)
    assert _kept([FIRST] * 10) == [True, True, True]
    assert _kept([FIRST, replace(FIRST, missed=120)]) == [True, True, True]  # within chance
    assert _kept([FIRST]) == [True, True, True]


def test_more_misses_or_more_memory_or_no_refusal_break_a_promise() -> None:
    assert _kept([FIRST] * 3, refused=False) == [False, True, True]
    assert _kept([FIRST, *[replace(FIRST, missed=120)] * 9]) == [True, False, True]
    assert _kept([FIRST, replace(FIRST, rss_mb=211.0)]) == [True, True, False]
    clean = replace(FIRST, missed=0)
    assert _kept([clean, *[replace(clean, missed=4)] * 9]) == [True, False, True]


def test_a_first_minute_is_a_sample_itself() -> None:
    """No miss in it does not mean that there can be none."""
    clean = replace(FIRST, missed=0)
    assert _kept([clean, *[replace(clean, missed=1)] * 9]) == [True, True, True]
    [_, misses, _] = promises([clean, replace(clean, missed=1)], True)
    assert "in 0.5 of all cases" in misses.name
