"""Beats as bytes: what a node sends is what a director reads, and nothing else is read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.base.node_name import NODE_NAME_PATTERN
from edge.fleet.beat import MAX_BEAT_BYTES, Beat, BeatError
from tests.fleet.beats import beat

names = st.from_regex(NODE_NAME_PATTERN, fullmatch=True)


@given(names, st.integers(0, 10**9), st.floats(0, 1), st.integers(0, 10**6), st.booleans())
def test_a_beat_survives_its_way(
    node: str, sessions: int, load: float, room: int, draining: bool
) -> None:
    sent = beat(node, sessions=sessions, load=load, room=room, draining=draining)
    assert Beat.of(sent.to_bytes()) == sent
    assert len(sent.to_bytes()) < MAX_BEAT_BYTES


def test_what_a_later_version_adds_is_ignored() -> None:
    later = json.loads(beat().to_bytes()) | {"temperature_c": 61}
    assert Beat.of(json.dumps(later).encode()) == beat()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"node": "a.b"}, "node: "),
        ({"node": "*"}, "node: "),
        ({"node": ""}, "node: "),
        ({"url": "ftp://192.0.2.1"}, "url: "),
        ({"url": "http://a b"}, "url: "),
        ({"load": 2}, "load: "),
        ({"room": -1}, "room: "),
        ({"incarnation": ""}, "incarnation: "),
        ({"fingerprint": "12"}, "fingerprint: "),
    ],
)
def test_a_beat_that_breaks_a_rule_is_refused_by_its_field(
    changed: dict[str, object], message: str
) -> None:
    with pytest.raises(BeatError, match=f"^{message}"):
        Beat.of(json.dumps(json.loads(beat().to_bytes()) | changed).encode())


@given(st.binary(max_size=200))
def test_bytes_that_are_no_beat_are_refused(data: bytes) -> None:
    with pytest.raises(BeatError):
        Beat.of(data)


def test_a_beat_that_is_too_long_is_not_read() -> None:
    with pytest.raises(BeatError, match="at most"):
        Beat.of(beat().to_bytes() + b" " * MAX_BEAT_BYTES)
