"""A clock that steps back once is no reason to encode anew; B-frames are."""

from __future__ import annotations

import pytest

from edge.publish.media.presentation_order import WITHIN, PresentationOrder

_FRAME_MS = 1000.0 / 15.0


@pytest.mark.parametrize("back_ms", [10.0, 300.0, 900.0])
def test_a_step_back_is_told_once(back_ms: float) -> None:
    order = PresentationOrder()
    times_ms = [number * _FRAME_MS - back_ms * (number >= 100) for number in range(200)]
    found = [order.observe(pts_ms) for pts_ms in times_ms]
    assert found[:100] == ["in order"] * 100
    assert found[100] == "step" if back_ms > _FRAME_MS else "in order"
    assert found[101:] == ["in order"] * 99


def test_a_source_that_begins_anew_is_in_order() -> None:
    order = PresentationOrder()
    order.observe(100_000.0)
    assert order.observe(0.0) == "in order"


@pytest.mark.parametrize("coded", [[0, 2, 1], [0, 3, 1, 2], [0, 4, 2, 1, 3]])
def test_b_frames_are_found_within_a_second(coded: list[int]) -> None:
    order = PresentationOrder()
    numbers = [group * len(coded) + at for group in range(5) for at in coded]
    assert "reordered" in [order.observe(number * _FRAME_MS) for number in numbers]


def test_steps_that_come_seldom_are_the_clocks() -> None:
    order, found = PresentationOrder(), set()
    for number in range(5 * WITHIN):
        found.add(order.observe(number * _FRAME_MS - 300.0 * (number // (WITHIN - 1))))
    assert found == {"in order", "step"}
