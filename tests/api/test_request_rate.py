"""Requests beyond an address' rate are refused before anything is done for them."""

from __future__ import annotations

import asyncio
from collections import Counter
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web

from edge.api import request_rate
from edge.api.http_server import HttpServer
from edge.api.listener import BURST_S
from edge.api.request_rate import limit_requests
from edge.config import Settings

_PER_S = 10
_REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def _hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


async def _statuses(port: int, count: int) -> Counter[bytes]:
    """What so many requests, all sent at once on one connection, are answered with."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.2", 0))
    try:
        writer.write(_REQUEST * count)
        async with asyncio.timeout(60):
            answers = await reader.read()
    finally:
        writer.transport.abort()
    return Counter(answer[:3] for answer in answers.split(b"HTTP/1.1 ")[1:])


async def test_the_next_one_is_refused_with_its_connection_and_other_addresses_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(request_rate, "now_ms", lambda: 0.0)  # all at once, however busy it is
    server = HttpServer(
        Settings(device=["cpu"], host="127.0.0.1", port=0, http=True, max_requests_per_s=_PER_S)
    )
    middleware = limit_requests(_PER_S, lambda request: str(request.remote), server.limits)
    await server.start([middleware], [web.get("/", _hello)])
    port = urlsplit(server.url).port
    assert port is not None
    try:
        most = _PER_S * BURST_S
        assert await _statuses(port, 10 * most) == {b"200": most, b"429": 1}
        async with aiohttp.ClientSession() as http, http.get(server.url) as response:
            assert response.status == 200
        assert server.limits.refused == {"requests_of_address": 1}
        connector = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
        async with (
            aiohttp.ClientSession(connector=connector) as http,
            http.get(server.url) as response,
        ):
            assert response.status == 429
            assert response.headers["Retry-After"] == "1"
            error = (await response.json())["error"]
            assert error["code"] == "too_many"
            assert "10 requests a second" in error["message"]
    finally:
        await server.stop()
