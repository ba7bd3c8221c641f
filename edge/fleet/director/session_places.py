"""Where the sessions lately placed are: for offers that replace one. Pure.

Only a help: a session's URL names its node, and a director that does not know a session places its
successor like any newcomer.
"""

from __future__ import annotations

from collections import OrderedDict

MAX_KEPT = 65_536  # the oldest is forgotten first


class SessionPlaces:
    """Nodes' names by session id."""

    def __init__(self, limit: int = MAX_KEPT) -> None:
        self._limit = limit
        self._nodes: OrderedDict[str, str] = OrderedDict()

    def put(self, session: str, node: str) -> None:
        self._nodes[session] = node
        self._nodes.move_to_end(session)
        if len(self._nodes) > self._limit:
            self._nodes.popitem(last=False)

    def node_of(self, session: str) -> str | None:
        return self._nodes.get(session)
