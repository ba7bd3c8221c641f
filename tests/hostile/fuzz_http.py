"""Heads of HTTP requests, into aiohttp's reader and all of ours that looks at a head."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from aiohttp import web

from edge.api.access import origins
from edge.api.access.auth import AccessControl
from edge.api.errors import json_errors
from edge.api.http_server import limit_body_time
from edge.config import load
from tests.hostile.mutation import mutated

_PATHS = ("/whip", "/whip/abc", "/whip/abc/results", "/api/results", "/admin", "/x/../admin", "*")
_HEAD = (
    "Origin: https://localhost:8443",
    "Authorization: Bearer some-token",
    "Content-Type: application/sdp",
    "Content-Length: 0",
    "Transfer-Encoding: chunked",
    "Sec-Fetch-Site: cross-site",
    "Sec-Fetch-Mode: navigate",
    "X-Forwarded-For: 192.0.2.1:80, [2001:db8::1]:443, 10.0.0.1",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Prefix: /edge",
    'If-Match: "a", W/"b", *',
    "Last-Event-ID: 00000000-7",
    'Cookie: edge_admin=abc; x="y',
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Accept: text/html",
    "Expect: 100-continue",
)
_HOSTS = ("localhost:8443",) * 12 + ("", "[", "[::1", "[::1]:x", "\u00e9", "a" * 8000, "a b", "::")
_VALUES = (
    "",
    "[",
    "[::1",
    "//[",
    "a" * 8000,
    "\u00e9",
    "%00",
    "1" * 400,
    ",,,",
    "-1",
    "\x0b",
    "::",
)


class Silent(asyncio.Transport):
    """A connection whose other end only counts."""

    closing = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 40_000) if name in ("peername", "sockname") else default

    def write(self, data: Any) -> None: ...

    def writelines(self, list_of_data: Any) -> None: ...

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...


class HttpTarget:
    """A server's connections, a new one for each head; every handler asks all there is to ask."""

    suppressed = 0

    def __init__(self) -> None:
        self._runner: Any = None
        self._raised: Exception | None = None

    async def open(self, rng: random.Random) -> None:
        settings = load(
            http=True, token="a-token-of-publishers", admin_token="a-token-of-administrators",
            read_token="a-token-of-readers", trusted_proxies=["127.0.0.1"],
        )  # fmt: skip
        access = AccessControl(settings)

        async def ask(request: web.Request) -> web.StreamResponse:
            try:
                access.client_key(request)
                access.is_local(request)
                access.is_https(request)
                access.is_on_this_machine(request)
                access.may_publish(request)
                access.may_see_counts(request)
                origins.is_cross_site(request)
                origins.is_cross_origin(request)
                dict(request.query)
                dict(request.cookies)
            except Exception as error:
                self._raised = error
            return web.Response()

        app = web.Application(middlewares=[limit_body_time, json_errors, access.guard])
        app.add_routes([web.route("*", "/{path:.*}", ask)])
        self._runner = web.AppRunner(app, handle_signals=False, access_log=None)
        await self._runner.setup()

    def make(self, rng: random.Random) -> bytes:
        method = rng.choice(("GET", "GET", "GET", "POST", "PATCH", "DELETE", "OPTIONS", "X"))
        lines = [f"{method} {rng.choice(_PATHS)} HTTP/1.1", f"Host: {rng.choice(_HOSTS)}"]
        for line in rng.sample(_HEAD, rng.choice((1, 3, 6, len(_HEAD)))):
            name = line.partition(": ")[0]
            lines.append(f"{name}: {rng.choice(_VALUES)}" if rng.random() < 0.1 else line)
        if rng.random() < 0.05:
            lines += [lines[-1]] * rng.choice((10, 400))
        raw = "\r\n".join([*lines, "", ""]).encode()
        return mutated(rng, raw) if rng.random() < 0.3 else raw

    async def feed(self, data: bytes) -> None:
        protocol = self._runner.server()
        transport = Silent()
        protocol.connection_made(transport)
        protocol.data_received(data)
        for _ in range(4):  # the handler's task
            await asyncio.sleep(0)
        protocol.connection_lost(None)
        await asyncio.sleep(0)
        raised, self._raised = self._raised, None
        if raised is not None:
            raise raised

    async def close(self) -> None:
        await self._runner.cleanup()
