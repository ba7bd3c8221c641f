"""Values that sessions and planner exchange between processes."""

from __future__ import annotations

import pickle

from edge.scheduling.assignment import NO_PINS, Assignment, Pins
from tests.scheduling.test_planner import WIDE


def test_values_survive_the_way_between_processes() -> None:
    assignment = Assignment("yolov4-tiny-416", 416, 1e6, 0.1, "why")
    for value in (assignment, WIDE, Pins("yolov4-tiny-416", 320)):
        assert pickle.loads(pickle.dumps(value)) == value


def test_without_pins_everything_is_left_to_the_plan() -> None:
    assert WIDE.pins == NO_PINS == Pins(variant=None, long_side=None)
