"""A fleet of processes: an engine, a director and two nodes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tests.fleet.engine import NatsServer
from tests.fleet.listener import BeatListener, listening_to
from tests.fleet.processes import becomes, director, node, running
from tests.free_port import free_port
from tests.publisher import WhipPublisher, publishing
from tests.serving import noise

FRAMES = noise(160, 120)


class Fleet:
    """What a test does things to."""

    def __init__(self, folder: Path, drain_s: float, **settings: str) -> None:
        """`settings` of all three, as environment variables."""
        self.engine = NatsServer()
        self.director = director(folder, "--fleet", self.engine.url, port=free_port(), **settings)
        self.nodes = {
            name: node(
                self.engine.url,
                folder,
                EDGE_FLEET=json.dumps({"name": name, "drain_s": drain_s}),
                **settings,
            )
            for name in ("a", "b")
        }
        self.listener: BeatListener

    def path(self, publisher: WhipPublisher) -> str:
        return publisher.location.removeprefix(self.director.url.rstrip("/"))

    def node_of(self, publisher: WhipPublisher) -> str:
        """By the URL of its session."""
        return self.path(publisher).split("/")[2]

    async def publishers(self, stack: AsyncExitStack, count: int) -> list[WhipPublisher]:
        """One after another, each answered."""
        found = []
        for _ in range(count):
            # Busy nodes that are asked directly may be late for a moment.
            await becomes(self.director.url + "readyz", 200)
            one = await stack.enter_async_context(
                publishing(self.director.url.rstrip("/"), FRAMES, fps=5)
            )
            await one.wait_for_answers()
            found.append(one)
        return found


@asynccontextmanager
async def fleet(folder: Path, drain_s: float = 60.0, **settings: str) -> AsyncIterator[Fleet]:
    """Both nodes take sessions."""
    it = Fleet(folder, drain_s, **settings)
    async with (
        it.engine,
        listening_to(it.engine.url) as it.listener,
        running(it.director, *it.nodes.values()),
    ):
        for name in it.nodes:
            await it.director.says(f"event=node_new node={name} ".encode())
        await becomes(it.director.url + "readyz", 200)
        yield it
