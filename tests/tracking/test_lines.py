"""Crossings of lines."""

from __future__ import annotations

import numpy as np
import pytest

from edge.tracking.lines import Line
from edge.tracking.settings import LineSettings
from edge.tracking.tracker import Track


def line(**more: object) -> Line:
    values = {"name": "gate", "start": (0.2, 0.5), "end": (0.8, 0.5), **more}
    return Line(LineSettings.model_validate(values))


def walk(line: Line, *ways: tuple[float, float], track: int = 1, name: str = "person") -> list[str]:
    """The directions in which a track that goes along these points crosses."""
    found = []
    for x, y in ways:
        tracks = [Track(track, 0, x, y, 0.1, 0.1)]
        events = line.observe(tracks, [name], [(x, y)])
        found += [event.fields["direction"] for event in events]
    return found


def test_in_is_from_the_left_to_the_right_of_the_line() -> None:
    gate = line()
    assert walk(gate, (0.5, 0.4), (0.5, 0.6)) == ["in"]
    assert walk(gate, (0.5, 0.4)) == ["out"]
    assert (gate.into, gate.out) == (1, 1)
    assert walk(line(start=(0.8, 0.5), end=(0.2, 0.5)), (0.5, 0.4), (0.5, 0.6)) == ["out"]


def test_what_trembles_on_the_line_crosses_once() -> None:
    ways = [(0.5, 0.5 + (-1) ** index * 0.008) for index in range(50)]
    assert walk(line(), (0.5, 0.4), *ways, (0.5, 0.6)) == ["in"]


def test_the_way_around_the_end_is_none() -> None:
    gate = line()
    assert walk(gate, (0.9, 0.4), (0.9, 0.6), (0.7, 0.6)) == []
    assert walk(gate, (0.7, 0.4)) == ["out"]  # back over the line itself


def test_a_jump_over_the_margin_counts_where_it_meets_the_line() -> None:
    assert walk(line(), (0.1, 0.1), (0.9, 0.9)) == ["in"]
    assert walk(line(), (0.75, 0.1), (0.9, 0.9)) == []


def test_only_wanted_classes_count() -> None:
    assert walk(line(classes=["car"]), (0.5, 0.4), (0.5, 0.6)) == []
    assert walk(line(classes=["car"]), (0.5, 0.4), (0.5, 0.6), name="car") == ["in"]


def test_a_lost_track_is_forgotten() -> None:
    gate = line()
    walk(gate, (0.5, 0.4))
    gate.forget([1])
    assert walk(gate, (0.5, 0.6)) == []


def test_an_event_names_the_line_and_its_totals() -> None:
    gate = line()
    walk(gate, (0.5, 0.4), (0.5, 0.6), track=1)
    list(gate.observe([Track(2, 0, 0.5, 0.4, 0.1, 0.1)], ["person"], [(0.5, 0.4)]))
    [event] = gate.observe([Track(2, 0, 0.5, 0.6, 0.1, 0.1)], ["person"], [(0.5, 0.6)])
    assert event.kind == "line_crossed"
    assert event.fields == {
        "line": "gate",
        "direction": "in",
        "track": 2,
        "class": "person",
        "in": 2,
        "out": 0,
    }


@pytest.mark.parametrize("turn", range(0, 360, 30))
def test_in_and_out_hold_for_lines_of_any_direction(turn: int) -> None:
    along = np.array([np.cos(np.radians(turn)), np.sin(np.radians(turn))]) * 0.2
    right = np.array([-along[1], along[0]])  # in a picture, whose y grows downwards
    middle = np.array([0.5, 0.5])
    gate = line(start=tuple(middle - along), end=tuple(middle + along))
    assert walk(gate, tuple(middle - right), tuple(middle + right)) == ["in"]
