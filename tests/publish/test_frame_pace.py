"""Fewer frames, evenly."""

from __future__ import annotations

import itertools

import pytest

from edge.publish.media.frame_pace import FramePace


def sent(source_fps: float, fps: float | None, seconds: float = 10.0) -> list[float]:
    pace = FramePace()
    pace.fps = fps
    times = (1000.0 * n / source_fps for n in range(round(seconds * source_fps)))
    return [at_ms for at_ms in times if pace.is_due(at_ms)]


@pytest.mark.parametrize(
    ("source_fps", "fps"), [(30, 15), (25, 15), (60, 24), (30, 10), (15, 5), (14.85, 10)]
)
def test_about_as_many_frames_as_wanted_and_evenly(source_fps: float, fps: float) -> None:
    times = sent(source_fps, fps)
    assert 0.85 * fps <= len(times) / 10.0 <= 1.05 * fps
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert max(gaps) - min(gaps) <= 1000.0 / source_fps + 1e-6


@pytest.mark.parametrize(("source_fps", "fps"), [(15, None), (15, 15), (14.85, 15), (15, 30)])
def test_all_frames_where_no_fewer_are_wanted(source_fps: float, fps: float | None) -> None:
    assert len(sent(source_fps, fps)) == round(10 * source_fps)


def test_a_pause_is_not_made_up_for() -> None:
    pace = FramePace()
    pace.fps = 10.0
    assert pace.is_due(0.0)
    assert pace.is_due(700.0)
    assert not pace.is_due(733.0)


def test_a_clock_that_steps_back_starts_anew() -> None:
    pace = FramePace()
    pace.fps = 10.0
    assert pace.is_due(100_000.0)
    assert pace.is_due(0.0)
    assert not pace.is_due(40.0)
