"""Beats for tests."""

from __future__ import annotations

from typing import Any

from edge.fleet.beat import Beat


def beat(node: str = "a", incarnation: str = "1", **fields: Any) -> Beat:
    """A ready node with room, unless `fields` say otherwise."""
    defaults: dict[str, Any] = {
        "url": "http://192.0.2.1:8443",
        "ready": True,
        "load": 0.0,
        "room": 10,
        "key": "k",
    }
    return Beat(node=node, incarnation=incarnation, **{**defaults, **fields})
