"""Results that flow from a node through a director: server-sent events, and WebSockets.

Nothing is kept here: a client that reads slowly holds up its own stream alone, and what is dropped
then is the node's to decide.
"""

from __future__ import annotations

import asyncio
import contextlib
from http import HTTPStatus

import aiohttp
from aiohttp import WSMsgType, web

from edge.api.errors import CORS, json_error
from edge.api.feed import MAX_READ_PER_S
from edge.api.sse import KEEPALIVE_S, SEND_TIMEOUT_S
from edge.base.clock import now_ms
from edge.fleet.beat import Beat
from edge.fleet.director.node_client import CONNECT_S, Failure, NodeClient, returned_headers, tls
from edge.session.rate_limits import MessageRateLimiter

HEAD_S = 5.0  # for the node's headers
SILENT_S = 3 * KEEPALIVE_S  # of a stream; the node sends a comment after KEEPALIVE_S without events
MAX_MESSAGE_BYTES = 1 << 20


class NoStreamError(Exception):
    """The node did not answer."""


async def forward(
    client: NodeClient, node: Beat, path: str, request: web.Request
) -> web.StreamResponse:
    """The node's response to a GET, as it comes; NoStreamError if there is none."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=SILENT_S)
    async with contextlib.AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(HEAD_S):
                there = await stack.enter_async_context(
                    client.http.get(
                        node.url + path,
                        params=dict(request.query),
                        headers=client.headers(request, node),
                        ssl=tls(node),
                        timeout=timeout,
                        allow_redirects=False,
                    )
                )
        except Failure as error:
            raise NoStreamError from error
        response = web.StreamResponse(status=there.status, headers=returned_headers(there))
        with contextlib.suppress(ConnectionError):  # the client has disconnected
            await response.prepare(request)
            await _pass_on(there, response, request)
    return response


async def _pass_on(
    there: aiohttp.ClientResponse, response: web.StreamResponse, request: web.Request
) -> None:
    try:
        async for chunk in there.content.iter_any():
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await response.write(chunk)
        await response.write_eof()
    except ConnectionResetError:
        raise
    except Failure:  # the node's stream broke off, or the client reads nothing: so does this one
        if request.transport is not None:
            request.transport.abort()


async def web_socket(
    client: NodeClient, node: Beat, path: str, request: web.Request
) -> web.StreamResponse:
    """The node's messages to the client; what the client sends is read and ignored."""
    try:
        async with asyncio.timeout(HEAD_S):
            there = await client.http.ws_connect(
                node.url + path,
                params=dict(request.query),
                headers=client.headers(request, node),
                ssl=tls(node),
                heartbeat=KEEPALIVE_S,
                max_msg_size=MAX_MESSAGE_BYTES,
            )
    except aiohttp.WSServerHandshakeError as error:
        return json_error(
            HTTPStatus(error.status),
            "refused",
            f"the node refused the WebSocket with status {error.status}",
            CORS,
        )
    except Failure as error:
        raise NoStreamError from error
    here = web.WebSocketResponse(heartbeat=KEEPALIVE_S, max_msg_size=4096)
    async with there:
        await here.prepare(request)
        reading = asyncio.create_task(_until_closed(here))
        sending = asyncio.create_task(_send_all(there, here))
        try:
            await asyncio.wait([reading, sending], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reading, sending):
                task.cancel()
            await asyncio.wait([reading, sending])
            with contextlib.suppress(TimeoutError, ConnectionError):
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await here.close()
    return here


async def _send_all(there: aiohttp.ClientWebSocketResponse, here: web.WebSocketResponse) -> None:
    with contextlib.suppress(TimeoutError, ConnectionError):
        async for message in there:
            if message.type is WSMsgType.TEXT:
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await here.send_str(message.data)


async def _until_closed(here: web.WebSocketResponse) -> None:
    """Until the client closes, or sends more than a reader has to."""
    limiter = MessageRateLimiter(MAX_READ_PER_S)
    async for _ in here:
        if limiter.take(now_ms()) != "pass":
            return
