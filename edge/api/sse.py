"""Server-sent events (WHATWG HTML, section 9.2) from a queue."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping

from aiohttp import web

from edge.session.results.feed import Event

Queue = asyncio.Queue[str | None] | asyncio.Queue[Event | None]

KEEPALIVE_S = 10.0
SEND_TIMEOUT_S = 5.0  # a client that leaves full buffers unread for so long is disconnected

_HEADERS = {
    "Cache-Control": "no-store, no-transform",  # else a proxy may compress, and so collect, events
    "X-Accel-Buffering": "no",  # nginx would collect events otherwise
}

_COMMENT = b": keep-alive\n\n"


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
            await _send_all(response, queue)
        except TimeoutError:  # a graceful close would wait for the client as well
            if request.transport is not None:
                request.transport.abort()
    return response


async def _send_all(response: web.StreamResponse, queue: Queue) -> None:
    more = True
    while more:
        events, more = await _next_events(queue)
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await response.write(events)
            if not more:
                await response.write_eof()


async def _next_events(queue: Queue) -> tuple[bytes, bool]:
    """All that is waiting, at least one event or comment, and whether more may follow."""
    try:
        async with asyncio.timeout(KEEPALIVE_S):
            text = await queue.get()
    except TimeoutError:
        return _COMMENT, True
    events = []
    while text is not None:
        events.append(_written(text))
        if queue.empty():
            break
        text = queue.get_nowait()
    return "".join(events).encode(), text is not None


def _written(event: str | Event) -> str:
    if isinstance(event, Event):
        return f"id: {event.id}\ndata: {event.text}\n\n"
    return f"data: {event}\n\n"
