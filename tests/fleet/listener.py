"""A client of the engine that keeps the beats it hears."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from nats.aio.client import Client

from edge.fleet.beat import Beat
from edge.fleet.subjects import BEATS, subject


class BeatListener:
    """The last beat of each node, and those to come."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._arrived = asyncio.Condition()
        self.beats: list[Beat] = []

    async def on_message(self, message: Any) -> None:
        async with self._arrived:
            self.beats.append(Beat.of(message.data))
            self._arrived.notify_all()

    async def next(
        self, wanted: Callable[[Beat], bool] = lambda beat: True, timeout: float = 60.0
    ) -> Beat:
        """The first beat from now on that is wanted."""
        begin = len(self.beats)
        async with asyncio.timeout(timeout), self._arrived:
            while True:
                for beat in self.beats[begin:]:
                    if wanted(beat):
                        return beat
                await self._arrived.wait()

    async def ask(self, kind: str, node: str, message: object = None) -> dict[str, Any]:
        data = b"" if message is None else json.dumps(message).encode()
        reply = await self._client.request(subject(kind, node), data, timeout=30)
        return dict(json.loads(reply.data))


@asynccontextmanager
async def listening_to(url: str, **options: Any) -> AsyncIterator[BeatListener]:
    client = Client()
    await client.connect(url, **options)
    listener = BeatListener(client)
    await client.subscribe(BEATS, cb=listener.on_message)
    await client.flush()
    try:
        yield listener
    finally:
        await client.close()
