"""Names of nodes, and what is made of them: subjects of the engine, and paths at a director. Pure.

A session's URL at a director is `/n/<node>/whip/<id>`: it says by itself where the session is, so
that any director finds it, also one that has just been started.
"""

from __future__ import annotations

import hashlib
import re

NODE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$"
"""A node's name: one token of a subject, and one segment of a path."""

BEATS = "edge.beat.*"
BEAT, LOOK, ACT, DRAIN = "edge.beat", "edge.look", "edge.act", "edge.drain"

_NODE = re.compile(NODE_PATTERN)
_OTHER = re.compile(r"[^A-Za-z0-9_-]+")


def is_node_name(text: str) -> bool:
    return _NODE.fullmatch(text) is not None


def subject(kind: str, node: str) -> str:
    """The subject of that kind of one node: `edge.look.gpu-1`."""
    return f"{kind}.{node}"


def node_path(node: str, path: str) -> str:
    """A path of the node's, as a client of the director requests it."""
    return f"/n/{node}{path}"


def default_name(host_name: str, port: int, url: str) -> str:
    """A name for the server at `url`, the same at each start and of no other server's.

    Several may run on one machine, or in namespaces that share its host name and their port: a few
    digits are made of the URL.
    """
    digits = hashlib.sha256(url.encode()).hexdigest()[:4]
    host = _OTHER.sub("-", host_name.partition(".")[0]).strip("-_")[:48] or "node"
    return f"{host}-{port}-{digits}"
