"""Server-sent events (WHATWG HTML, section 9.2) from a queue."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping

from aiohttp import web

KEEPALIVE_S = 10.0


async def event_stream(
    request: web.Request,
    queue: asyncio.Queue[str | None],
    headers: Mapping[str, str] | None = None,
) -> web.StreamResponse:
    """Send the texts in `queue` as events, until None or until the client disconnects.

    A comment is sent after each `KEEPALIVE_S` without an event, which keeps proxies from closing
    the connection and makes a vanished client noticed.
    """
    response = web.StreamResponse(headers={**(headers or {}), "Cache-Control": "no-store"})
    response.content_type = "text/event-stream"
    with contextlib.suppress(ConnectionResetError):  # the client has disconnected
        await response.prepare(request)
        await _write(response, queue)
    return response


async def _write(response: web.StreamResponse, queue: asyncio.Queue[str | None]) -> None:
    while True:
        try:
            async with asyncio.timeout(KEEPALIVE_S):
                text = await queue.get()
        except TimeoutError:
            await response.write(b": still here\n\n")
            continue
        if text is None:
            break
        await response.write(f"data: {text}\n\n".encode())
    await response.write_eof()
