"""Placement: whom a newcomer is offered to, and how even that leaves the fleet."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.fleet.known_node import KnownNode
from edge.fleet.placement import choose
from tests.fleet.beats import beat

fields = st.fixed_dictionaries(
    {
        "load": st.floats(0, 1),
        "room": st.integers(0, 5),
        "ready": st.booleans(),
        "draining": st.booleans(),
    }
)


@given(st.lists(fields, max_size=8), st.integers(), st.booleans())
def test_only_nodes_that_take_sessions_are_chosen_and_those_with_room_first(
    fleet: list[dict[str, Any]], seed: int, refused: bool
) -> None:
    nodes = [KnownNode(beat(f"n{each}", **given), 0.0) for each, given in enumerate(fleet)]
    chance, tried = random.Random(seed), set[str]()
    while (node := choose(nodes, 0.0, chance, tried, refused=refused)) is not None:
        assert node.takes_sessions(0.0)
        assert node.name not in tried
        left = [each for each in nodes if each.name not in tried and each.takes_sessions(0.0)]
        assert node.room > 0 or not any(each.room for each in left)
        assert node.room > 0 or not refused
        tried.add(node.name)
    untried = [each for each in nodes if each.name not in tried and each.takes_sessions(0.0)]
    assert not any(each.room for each in untried)


def test_the_least_loaded_of_three_gets_the_session() -> None:
    nodes = [KnownNode(beat(name, load=load), 0.0) for name, load in [("a", 0.5), ("b", 0.2)]]
    for seed in range(20):
        node = choose(nodes, 0.0, random.Random(seed))
        assert node is not None
        assert node.name == "b"


@pytest.mark.parametrize("directors", [1, 4])
def test_many_newcomers_between_two_beats_are_spread(directors: int) -> None:
    """Each director knows its own placements only, and all hear the same beats."""
    beats = {f"n{each}": (0, 50) for each in range(20)}  # sessions, capacity
    views = [[KnownNode(beat(name, room=50), 0.0) for name in beats] for _ in range(directors)]
    chance, taken = random.Random(1), Counter[str]()
    for round_ in range(1, 21):
        for number in range(20):  # newcomers in one period
            node = choose(views[number % directors], 0.0, chance)
            assert node is not None
            node.begin_offer()
            node.end_offer(accepted=True)
            taken[node.name] += 1
        for view in views:
            for node in view:
                used = taken[node.name]
                node.hear(beat(node.name, seq=round_, load=used / 50, room=50 - used), 0.0)
    assert sum(taken.values()) == 400
    assert max(taken.values()) <= 1.25 * 400 / 20


def test_nodes_of_different_sizes_are_loaded_evenly() -> None:
    nodes = [KnownNode(beat("large", room=40), 0.0), KnownNode(beat("small", room=8), 0.0)]
    chance = random.Random(2)
    for _ in range(24):
        node = choose(nodes, 0.0, chance)
        assert node is not None
        node.begin_offer()
    assert {node.name: node.given for node in nodes} == {"large": 20, "small": 4}
