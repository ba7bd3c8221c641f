"""Requests to the endpoints for publishers and readers: queries and bodies, and a reader's frames.

Sessions are stand-ins: an offer that would be answered is refused as the last step.
"""

from __future__ import annotations

import asyncio
import random
import struct
from typing import Any, cast
from urllib.parse import quote

from aiohttp import web

from edge.api.access.auth import AccessControl
from edge.api.errors import json_errors
from edge.api.feed import FeedEndpoint
from edge.api.http_server import limit_body_time
from edge.api.whip import WhipEndpoint
from edge.config import load
from edge.models.registry.registry import ModelRegistry
from edge.observability.refusals import Refusals
from edge.session.registry.full_error import FullError
from tests.api.parts import view
from tests.hostile.fuzz_http import Silent
from tests.hostile.mutation import mutated

_FEEDS = ("/api/results", "/api/sessions/one/results", "/api/sessions/gone/results")
_SESSIONS = ("/whip/one", "/whip/gone")
_PATHS = {
    "POST": ("/whip", "/whip/"),
    "PATCH": _SESSIONS,
    "GET": (*_SESSIONS, *_FEEDS),
    "DELETE": _SESSIONS,
    "OPTIONS": ("/whip", *_SESSIONS, *_FEEDS),
}
_TYPES = {
    "POST": "Content-Type: application/sdp",
    "PATCH": "Content-Type: application/trickle-ice-sdpfrag",
}
_NUMBERS = ("100", "nan", "-inf", "1e999", "0x10", "\u0663", "1_0", " 5", "", "9" * 5000)
_TEXTS = (
    "",
    "door",
    "\x00",
    "\n",
    "\u202e",
    "a" * 300,
    "\udcff",
    "%",
    "é",
    "person,dog",
    ",",
    " ,x",
)
_QUERY = {
    "slo_ms": _NUMBERS,
    "min_score": _NUMBERS,
    "label": _TEXTS,
    "classes": _TEXTS,
    "model": _TEXTS,
    "replaces": ("one", "gone", "ended", *_TEXTS),
    "after": ("00000000-7", "-", "-1", "x-\u0663", *_NUMBERS, *_TEXTS),
}
_HEADERS = (
    "Content-Type: text/plain",
    'If-Match: "tag"',
    'If-Match: W/"tag", "' + "a" * 400,
    "Last-Event-ID: 00000000-" + "9" * 400,
    "Last-Event-ID: 00000000-7",
    "Authorization: Bearer a-token-of-publishers",
)
_READER = "Authorization: Bearer a-token-of-readers"


class _Session:
    id, name, etag, label = "one", "one", "tag", "door"

    def view(self, now_ms: float) -> Any:
        return view("one")

    async def add_candidates(self, fragment: str) -> None: ...

    def subscribe(self) -> Any:
        raise FullError("full", "no stream")  # never reached: `results` is asked of "gone" alone


class _Sessions:
    """One session that lives, and one that has ended."""

    def __iter__(self) -> Any:
        return iter(())

    def get(self, name: str) -> Any:
        return _Session() if name == "one" else None

    by_name = get

    def has_ended(self, name: str) -> bool:
        return name == "ended"

    async def open(self, *arguments: object) -> Any:
        raise FullError("full", "the server is full")

    async def close(self, *arguments: object) -> None: ...


class RequestTarget:
    """A connection for each request, with queries that are almost right."""

    suppressed = 0

    def __init__(self) -> None:
        self._runner: Any = None
        self._raised: list[BaseException] = []
        self._feed: FeedEndpoint | None = None

    async def open(self, rng: random.Random) -> None:
        settings = load(
            http=True, token="a-token-of-publishers", read_token="a-token-of-readers",
            max_posts_per_minute=60_000,
        )  # fmt: skip
        access, sessions = AccessControl(settings), cast(Any, _Sessions())
        self._feed = FeedEndpoint(sessions, {"person", "dog"}, on_reader=lambda: None)
        whip = WhipEndpoint(settings, ModelRegistry.of(settings), sessions, access, Refusals())

        @web.middleware
        async def watch(request: web.Request, handler: Any) -> web.StreamResponse:
            try:
                return cast(web.StreamResponse, await handler(request))
            except (web.HTTPException, ConnectionError):
                raise
            except Exception as error:
                self._raised.append(error)
                raise

        app = web.Application(middlewares=[limit_body_time, json_errors, access.guard, watch])
        app.add_routes([*whip.routes(), *self._feed.routes()])
        self._runner = web.AppRunner(app, handle_signals=False, access_log=None)
        await self._runner.setup()

    def make(self, rng: random.Random) -> bytes:
        method = rng.choice(("POST", "POST", "POST", "PATCH", "GET", "GET", "DELETE", "OPTIONS"))
        path = rng.choice(_PATHS[method])
        names = rng.sample(sorted(_QUERY), rng.choice((0, 1, 2, 4)))
        query = "&".join(
            f"{name}={quote(rng.choice(_QUERY[name]), errors='surrogateescape')}" for name in names
        )
        body = rng.choice((b"", b"v=0", b"\xef\xbb\xbfv=0", b"\xff\xfe", b"a=candidate:"))
        lines = [f"{method} {path}?{query} HTTP/1.1", "Host: localhost", _HEADERS[5]]
        if method in _TYPES and rng.random() < 0.9:
            lines.append(_TYPES[method])
        lines += rng.sample(_HEADERS, rng.choice((0, 0, 1, 2)))
        if path in _FEEDS:
            lines[2] = _READER
        lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join([*lines, "", ""]).encode()
        if rng.random() < 0.3:
            first, _, rest = head.partition(b"\r\n")
            head = mutated(rng, first) + b"\r\n" + rest
        return head + body

    async def feed(self, data: bytes) -> None:
        protocol = self._runner.server()
        transport = Silent()
        protocol.connection_made(transport)
        self._feed_connection(protocol, data)
        for _ in range(6):  # the handler's task
            await asyncio.sleep(0)
        protocol.connection_lost(None)
        for _ in range(3):
            await asyncio.sleep(0)
        raised, self._raised = self._raised, []
        if raised:
            raise raised[0]

    def _feed_connection(self, protocol: Any, data: bytes) -> None:
        protocol.data_received(data)

    async def close(self) -> None:
        assert self._feed is not None
        self._feed.close()
        await self._runner.cleanup()


class WebSocketTarget(RequestTarget):
    """What a reader of results sends after its handshake."""

    _HANDSHAKE = "\r\n".join(
        [
            "GET /api/results HTTP/1.1",
            "Host: localhost",
            _READER,
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Extensions: permessage-deflate",
            "",
            "",
        ]
    ).encode()

    def make(self, rng: random.Random) -> bytes:
        frames = b"".join(self._frame(rng) for _ in range(rng.choice((1, 1, 3, 60))))
        return mutated(rng, frames) if rng.random() < 0.5 else frames

    @staticmethod
    def _frame(rng: random.Random) -> bytes:
        first = rng.choice((0x80, 0x80, 0x00, 0xC0)) | rng.choice((1, 2, 0, 8, 9, 10, 3, 15))
        texts = (b"", b"hello", b"\xff\xfe", b"\x03\xe8bye", b"\x00", rng.randbytes(300))
        payload, mask = rng.choice(texts), rng.choice((bytes(4), rng.randbytes(4)))
        length = rng.choice((len(payload),) * 6 + (126, 65_535, 1 << 40))
        if length < 126:
            head = struct.pack("!BB", first, 0x80 | length)
        elif length < 1 << 16:
            head = struct.pack("!BBH", first, 0xFE, length)
        else:
            head = struct.pack("!BBQ", first, 0xFF, length)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        return head + mask + masked

    def _feed_connection(self, protocol: Any, data: bytes) -> None:
        protocol.data_received(self._HANDSHAKE)
        asyncio.get_running_loop().call_soon(self._after, protocol, data, 4)

    def _after(self, protocol: Any, data: bytes, steps: int) -> None:
        """Once the handler has answered the handshake."""
        if steps:
            asyncio.get_running_loop().call_soon(self._after, protocol, data, steps - 1)
            return
        try:
            protocol.data_received(data)
        except Exception as error:
            self._raised.append(error)
