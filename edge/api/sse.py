"""Server-sent events (WHATWG HTML, section 9.2) from a queue."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import cast

from aiohttp import web

from edge.session.results.feed import Event

Queue = asyncio.Queue[str | None] | asyncio.Queue[Event | None]

KEEPALIVE_S = 10.0
SEND_TIMEOUT_S = 5.0  # a client that leaves full buffers unread for so long is disconnected

_HEADERS = {
    "Cache-Control": "no-store, no-transform",  # else a proxy may compress, and so collect, events
    "X-Accel-Buffering": "no",  # nginx would collect events otherwise
}

_COMMENT = Event("", ": keep-alive\n\n")  # in a queue; not an event
_AT_ONCE_BYTES = 8 * 1024  # far below the least that a transport buffers before it makes wait


async def event_stream(
    request: web.Request,
    queue: Queue,
    headers: Mapping[str, str] | None = None,
) -> web.StreamResponse:
    """Send the texts in `queue` as events, with their identifiers where they have any, until None
    or until the client disconnects.

    A comment is sent at once, for a proxy may hold back the headers until a body comes, and after
    each `KEEPALIVE_S` without an event, which keeps proxies from closing the connection and makes a
    vanished client noticed. A client that reads nothing outlives the queue's end by at most twice
    `SEND_TIMEOUT_S`: one write that waits, and one of all the rest.
    """
    response = web.StreamResponse(headers={**(headers or {}), **_HEADERS})
    response.content_type = "text/event-stream"
    with contextlib.suppress(ConnectionError):  # the client has disconnected
        await response.prepare(request)
        try:
            await response.write(b": open\n\n")
            await _send_all(response, queue, request.transport)
        except TimeoutError:  # a graceful close would wait for the client as well
            if request.transport is not None:
                request.transport.abort()
    return response


def fits_at_once(transport: asyncio.Transport | None, count: int) -> bool:
    """Whether so many bytes are written without waiting, as the client has taken all before.

    They need no deadline; the timer of one would cost more than most events.
    """
    if transport is None or count > _AT_ONCE_BYTES:
        return False
    return transport.get_write_buffer_size() == 0


async def _send_all(
    response: web.StreamResponse, queue: Queue, transport: asyncio.Transport | None = None
) -> None:
    keep_alive = _KeepAlive(queue)
    more = True
    try:
        while more:
            events, more = await _next_events(queue)
            keep_alive.sent()
            if more and fits_at_once(transport, len(events)):
                await response.write(events)
                continue
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await response.write(events)
                if not more:
                    await response.write_eof()
    finally:
        keep_alive.end()


async def _next_events(queue: Queue) -> tuple[bytes, bool]:
    """All that is waiting, at least one event or comment, and whether more may follow."""
    text = await queue.get()
    events = []
    while text is not None:
        events.append(_written(text))
        if queue.empty():
            break
        text = queue.get_nowait()
    return "".join(events).encode(), text is not None


class _KeepAlive:
    """Puts a comment into a queue once nothing has come for `KEEPALIVE_S`.

    One timer for the stream, which is late to notice an event, in place of one for each event.
    """

    def __init__(self, queue: Queue) -> None:
        self._queue = cast("asyncio.Queue[object]", queue)
        self._loop = asyncio.get_running_loop()
        self._sent_s = self._loop.time()
        self._timer = self._loop.call_later(KEEPALIVE_S, self._check)

    def sent(self) -> None:
        """Something is being sent."""
        self._sent_s = self._loop.time()

    def end(self) -> None:
        self._timer.cancel()

    def _check(self) -> None:
        left_s = self._sent_s + KEEPALIVE_S - self._loop.time()
        if left_s <= 0.0:
            left_s = KEEPALIVE_S
            if self._queue.empty():
                self._queue.put_nowait(_COMMENT)
        self._timer = self._loop.call_later(left_s, self._check)


def _written(event: str | Event) -> str:
    if isinstance(event, Event):
        if event is _COMMENT:
            return event.text
        return f"id: {event.id}\ndata: {event.text}\n\n"
    return f"data: {event}\n\n"
