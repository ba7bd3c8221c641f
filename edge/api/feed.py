"""Results for operators and their programs: `GET /api/results`, of one session, of all.

Server-sent events, or a WebSocket where the request asks for one. Authorisation, by the admin token
or the read token, is done by `edge.api.access.auth` before any handler runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from http import HTTPStatus
from typing import cast

from aiohttp import WSMsgType, web

from edge.api.errors import CORS, json_error
from edge.api.sse import KEEPALIVE_S, SEND_TIMEOUT_S, event_stream, fits_at_once
from edge.base.clock import now_ms
from edge.session.rate_limits import MessageRateLimiter
from edge.session.registry.session_registry import SessionRegistry
from edge.session.results.feed import KINDS, Event, FeedFilter, ResultFeed
from edge.session.results.result_streams import TooManyStreamsError, put_newest

LINGER_MS = 30_000.0
"""Sessions are followed so long after the last reader, which can come back without a gap."""
MAX_READ_PER_S = 50  # frames of a reader's WebSocket; one that sends more is disconnected
_PREFLIGHT = {
    **CORS,
    "Access-Control-Allow-Methods": "GET, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Last-Event-ID",
    "Access-Control-Max-Age": "86400",
}


class FeedEndpoint:
    """Wants the results of all sessions while somebody reads; without readers it costs nothing."""

    def __init__(
        self,
        sessions: SessionRegistry,
        class_names: Iterable[str],
        on_reader: Callable[[], None],
    ) -> None:
        """`class_names`: of all models; `on_reader` is called when a reader has come."""
        self._sessions = sessions
        self._on_reader = on_reader
        self._class_names = frozenset(class_names)
        self._feed = ResultFeed()
        self._read_ms = float("-inf")

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            web.get("/api/results", self._results),
            web.get("/api/sessions/{name}/results", self._results),
            web.options("/api/results", self._options),
            web.options("/api/sessions/{name}/results", self._options),
        ]

    @property
    def wants_results(self) -> bool:
        """Whether there is a reader, or one left so recently that it may come back."""
        if self._feed:
            self._read_ms = now_ms()
        return now_ms() - self._read_ms <= LINGER_MS

    def put(self, session: str, label: str, text: str) -> None:
        """A session's message, for all readers."""
        self._feed.put(session, label, text)

    def skip(self, label: str, count: int) -> None:
        """Messages lost before they came here are told to nobody: readers learn of their own."""

    def close(self) -> None:
        """End all streams."""
        self._feed.end()

    async def _results(self, request: web.Request) -> web.StreamResponse:
        query = cast("dict[str, str]", request.query)
        name = request.match_info.get("name")
        if name is not None and self._sessions.by_name(name) is None:
            return json_error(HTTPStatus.NOT_FOUND, "no_session", "there is no such session")
        classes = None
        if (text := query.get("classes")) is not None:
            classes = frozenset(part.strip() for part in text.split(",") if part.strip())
            unknown = sorted(classes - self._class_names)
            if unknown or not classes:
                rule = f"{unknown[0]!r} is no class" if unknown else "at least one class"
                return json_error(HTTPStatus.BAD_REQUEST, "bad_query", f"`classes`: {rule}")
        types = None
        if (text := query.get("types")) is not None:
            types = frozenset(part.strip() for part in text.split(",") if part.strip())
            if unknown := sorted(types - {*KINDS}):
                rule = f"{unknown[0]!r} is none of {', '.join(KINDS)}"
                return json_error(HTTPStatus.BAD_REQUEST, "bad_query", f"`types`: {rule}")
        wanted = FeedFilter(name, query.get("label"), classes, types)
        after = request.headers.get("Last-Event-ID", query.get("after"))
        try:
            with self._feed.open(wanted, after) as queue:
                self._on_reader()
                if web.WebSocketResponse().can_prepare(request):
                    return await _web_socket(request, queue)
                return await event_stream(request, queue, CORS)
        except TooManyStreamsError as error:
            return json_error(HTTPStatus.TOO_MANY_REQUESTS, "too_many", str(error))

    async def _options(self, request: web.Request) -> web.Response:
        return web.Response(status=HTTPStatus.NO_CONTENT, headers=_PREFLIGHT)


async def _web_socket(
    request: web.Request, queue: asyncio.Queue[Event | None]
) -> web.WebSocketResponse:
    """Send the messages as texts; what the reader sends is ignored, and too much of it ends it."""
    socket = web.WebSocketResponse(heartbeat=KEEPALIVE_S, max_msg_size=4096, autoping=False)
    await socket.prepare(request)
    closed = asyncio.create_task(_until_closed(socket, request))
    closed.add_done_callback(lambda _: put_newest(queue, None))
    try:
        while (event := await queue.get()) is not None and not closed.done():
            with suppress(ConnectionError):
                if fits_at_once(request.transport, len(event.text)):
                    await socket.send_str(event.text)
                    continue
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await socket.send_str(event.text)
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
    finally:
        closed.cancel()
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await socket.close()
    return socket


async def _until_closed(socket: web.WebSocketResponse, request: web.Request) -> None:
    limiter = MessageRateLimiter(MAX_READ_PER_S)
    async for message in socket:
        if limiter.take(now_ms()) != "pass":  # a graceful close would read on
            if request.transport is not None:
                request.transport.abort()
            return
        if message.type == WSMsgType.ERROR:
            return
        if message.type == WSMsgType.PING:
            with suppress(ConnectionError):
                await socket.pong(message.data)
