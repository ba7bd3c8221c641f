"""The fleet that is shown: its settings are the server's own."""

from __future__ import annotations

import pytest

from edge.config.loading import load
from netem.nodes_demo import KILLED, LABELS, NODES, _fleet


def test_a_node_takes_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_FLEET", _fleet("gpu-1", "127.0.0.1:4222"))
    fleet = load(None).fleet
    assert fleet is not None
    assert (fleet.name, fleet.servers) == ("gpu-1", ["nats://127.0.0.1:4222"])


def test_a_node_is_left_to_drain_when_one_is_killed() -> None:
    assert KILLED in NODES
    assert len(NODES) > 2
    assert len(LABELS) >= len(NODES)
