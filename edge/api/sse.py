"""Server-sent events (WHATWG HTML, section 9.2) from a queue."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping

from aiohttp import web

KEEPALIVE_S = 10.0
SEND_TIMEOUT_S = 30.0  # a client that reads nothing for so long is disconnected

_HEADERS = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would collect events otherwise
}


async def event_stream(
    request: web.Request,
    queue: asyncio.Queue[str | None],
    headers: Mapping[str, str] | None = None,
) -> web.StreamResponse:
    """Send the texts in `queue` as events, until None or until the client disconnects.

    A comment is sent after each `KEEPALIVE_S` without an event, which keeps proxies from closing
    the connection and makes a vanished client noticed.
    """
    response = web.StreamResponse(headers={**(headers or {}), **_HEADERS})
    response.content_type = "text/event-stream"
    with contextlib.suppress(ConnectionResetError):  # the client has disconnected
        await response.prepare(request)
        try:
            await _send_all(response, queue)
        except TimeoutError:  # a graceful close would wait for the client as well
            if request.transport is not None:
                request.transport.abort()
    return response


async def _send_all(response: web.StreamResponse, queue: asyncio.Queue[str | None]) -> None:
    while (event := await _next_event(queue)) is not None:
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await response.write(event)
    await response.write_eof()


async def _next_event(queue: asyncio.Queue[str | None]) -> bytes | None:
    try:
        async with asyncio.timeout(KEEPALIVE_S):
            text = await queue.get()
    except TimeoutError:
        return b": keep-alive\n\n"
    return None if text is None else f"data: {text}\n\n".encode()
