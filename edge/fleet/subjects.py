"""The engine's subjects, and paths at a node and at a director. Pure.

A session's URL at a director is `/n/<node>/whip/<id>`: it says by itself where the session is, so
that any director finds it, also one that has just been started.
"""

from __future__ import annotations

BEATS = "edge.beat.*"
BEAT, LOOK, ACT, DRAIN = "edge.beat", "edge.look", "edge.act", "edge.drain"

LOOK_PATH = "/fleet/look"
"""At a node, for directors alone: the same as by LOOK."""
REPORT_PATH = "/fleet/sessions"
"""At a node, for directors alone: its report, see `edge.fleet.report`."""


def subject(kind: str, node: str) -> str:
    """The subject of that kind of one node: `edge.look.gpu-1`."""
    return f"{kind}.{node}"


def node_path(node: str, path: str) -> str:
    """A path of the node's, as a client of the director requests it."""
    return f"/n/{node}{path}"
