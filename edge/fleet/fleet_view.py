"""All nodes as a director knows them, made of their beats alone: nothing is stored. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from edge.fleet.beat import Beat
from edge.fleet.known_node import KnownNode, News

TICK_MS = 100.0
LATE_MS = 200.0  # a tick that is so much late is this process' own hiccup
MAX_NODES = 1024  # beats of further names are ignored: a mistake, or somebody's prank


class FleetView:
    """Beats and probes in, nodes out. `tick` is to be called every `TICK_MS`."""

    def __init__(self) -> None:
        self._nodes: dict[str, KnownNode] = {}
        self._ticked_ms: float | None = None

    def __len__(self) -> int:
        return len(self._nodes)

    def __iter__(self) -> Iterator[KnownNode]:
        return iter(list(self._nodes.values()))

    def get(self, name: str) -> KnownNode | None:
        return self._nodes.get(name)

    def hear(self, beat: Beat, now_ms: float) -> News | None:
        """Take a beat; what is new by it."""
        node = self._nodes.get(beat.node)
        if node is not None:
            return node.hear(beat, now_ms)
        if len(self._nodes) >= MAX_NODES:
            return None
        self._nodes[beat.node] = KnownNode(beat, now_ms)
        return "new"

    def tick(self, now_ms: float) -> list[KnownNode]:
        """The nodes to ask directly now; each is then being asked until its `end_probe`.

        If this call itself is late, so are beats that wait in this process' sockets.
        """
        last_ms, self._ticked_ms = self._ticked_ms, now_ms
        late_ms = 0.0 if last_ms is None else now_ms - last_ms - TICK_MS
        for name, node in list(self._nodes.items()):
            if late_ms >= LATE_MS:
                node.forgive(late_ms)
            if node.is_forgotten(now_ms):
                del self._nodes[name]
        due = [node for node in self if node.wants_probe(now_ms)]
        for node in due:
            node.begin_probe()
        return due

    def takes_sessions(self, now_ms: float) -> bool:
        """Whether some node takes newcomers, and has room."""
        return any(node.takes_sessions(now_ms) and node.room > 0 for node in self)
