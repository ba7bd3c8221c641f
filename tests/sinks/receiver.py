"""A webhook's receiver on loopback, which a test ends and starts again."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.free_port import free_port


@dataclass
class Receiver:
    """Keeps each request; `statuses` are answered in turn, then 200."""

    tls: ssl.SSLContext | None = None
    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)
    taken: list[dict[str, Any]] = field(default_factory=list)
    """Batches that were answered by 200."""
    hanging: asyncio.Event = field(default_factory=asyncio.Event)
    """Set: requests are answered; it is by default."""
    port: int = 0
    _runner: web.AppRunner | None = None

    def __post_init__(self) -> None:
        self.hanging.set()

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://localhost:{self.port}/hook"

    async def start(self) -> None:
        app = web.Application(client_max_size=10_000_000)
        app.router.add_post("/hook", self._take)
        app.router.add_route("*", "/elsewhere", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        if not self.port:
            self.port = free_port()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self.tls).start()

    async def end(self) -> None:
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.requests.append((dict(request.headers), body))
        await self.hanging.wait()
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 200:
            self.taken.append(await request.json())
        return web.Response(status=status, headers=self.headers)

    async def __aenter__(self) -> Receiver:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.hanging.set()
        await self.end()

    @property
    def numbers(self) -> list[int]:
        """Of the events in all batches taken."""
        events = [event for batch in self.taken for event in batch["events"]]
        return [int(event["event"].partition("-")[2]) for event in events]
