"""The listening socket: its URLs, TLS, and the errors in words."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from edge.api import http_server, listener
from edge.api.access import local_ca
from edge.api.http_server import HttpServer, ListenError
from edge.config import load


async def _hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


ROUTES = [web.get("/", _hello)]


def _server(**settings: Any) -> HttpServer:
    return HttpServer(load(**{"host": "127.0.0.1", "port": 0, "http": True, **settings}))


async def test_it_serves_at_its_url_until_it_stops() -> None:
    server = _server()
    await server.start([], ROUTES)
    async with aiohttp.ClientSession() as http:
        async with http.get(server.url) as response:
            assert await response.text() == "hello"
        assert server.url.startswith("http://localhost:")
        assert server.lan_urls == []
        await server.stop()
        with pytest.raises(aiohttp.ClientConnectorError):
            await http.get(server.url)


async def test_stopping_a_server_that_has_not_started_is_harmless() -> None:
    await _server().stop()


@pytest.mark.parametrize(("host", "url"), [("0.0.0.0", "localhost"), ("127.0.0.2", "127.0.0.2")])
async def test_urls_name_the_address_that_it_listens_on(
    monkeypatch: pytest.MonkeyPatch, host: str, url: str
) -> None:
    addresses = [ipaddress.ip_address(text) for text in ("192.168.1.7", "fd00::7")]
    monkeypatch.setattr(local_ca, "lan_addresses", lambda: addresses)
    server = _server(host=host)
    await server.start([], ROUTES)
    try:
        port = server.url.rsplit(":", 1)[1]
        assert server.url == f"http://{url}:{port}"
        lan = [f"http://192.168.1.7:{port}"] if host == "0.0.0.0" else []
        assert server.lan_urls == lan
    finally:
        await server.stop()


async def test_a_port_in_use_is_an_error_that_says_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ListenError, match=f"127.0.0.1 port {port} is in use .* --port"):
            await _server(port=port).start([], ROUTES)


async def test_an_address_of_another_machine_is_named() -> None:
    with pytest.raises(ListenError, match="cannot listen on 192.0.2.1 port 0"):
        await _server(host="192.0.2.1").start([], ROUTES)


async def test_without_a_certificate_a_local_authority_issues_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EDGE_DATA", str(tmp_path))
    server = _server(http=False)
    assert server.ca == tmp_path / "tls" / "ca.crt"
    await server.start([], ROUTES)
    try:
        trust = ssl.create_default_context(cafile=str(server.ca))
        async with aiohttp.ClientSession() as http, http.get(server.url, ssl=trust) as response:
            assert await response.text() == "hello"
        assert server.url.startswith("https://localhost:")
    finally:
        await server.stop()


def test_a_configured_certificate_comes_without_an_authority(tmp_path: Path) -> None:
    issued = local_ca.ensure(tmp_path, [])
    assert _server(http=False, cert=issued.cert, key=issued.key).ca is None


def test_a_certificate_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing.crt"
    with pytest.raises(ListenError, match="TLS: .*missing.crt"):
        _server(http=False, cert=missing, key=missing)


async def test_bodies_are_limited() -> None:
    async def read(request: web.Request) -> web.Response:
        return web.Response(text=str(len(await request.read())))

    server = _server(max_sdp_bytes=4096)
    await server.start([], [web.post("/", read)])
    try:
        async with aiohttp.ClientSession() as http:
            async with http.post(server.url, data=b"x" * 4096) as response:
                assert response.status == 200
            async with http.post(server.url, data=b"x" * 4097) as response:
                assert response.status == 413
    finally:
        await server.stop()


async def _read(request: web.Request) -> web.Response:
    return web.Response(text=str(len(await request.read())))


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "])
async def test_an_unfinished_head_is_ended(monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(http_server, "HEAD_S", 0.05)
    async with _raw(_server(), sent) as reader:
        assert await reader.read() == b""


async def test_an_idle_connection_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "HEAD_S", 0.2)
    async with _raw(_server(), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") as reader:
        assert (await reader.read()).endswith(b"hello")


async def test_an_unfinished_body_is_ended_and_is_no_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(http_server, "BODY_S", 0.05)
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1"
    async with _raw(_server(), head, [web.post("/", _read)]) as reader:
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
    assert caplog.text == ""


async def test_a_silent_client_does_not_start_tls_for_long(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EDGE_DATA", str(tmp_path))
    monkeypatch.setattr(http_server, "TLS_S", 0.05)
    async with _raw(_server(http=False), b"") as reader:
        assert await reader.read() == b""


async def test_a_client_that_leaves_its_response_unread_is_disconnected(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(listener, "UNREAD_MS", 200)
    ended = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 65_536)
        finally:
            ended.set()

    async with _raw(_server(), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", [web.get("/", endless)]):
        async with asyncio.timeout(30):
            await ended.wait()
    assert caplog.text == ""


@pytest.mark.parametrize("http", [True, False])
async def test_little_is_read_at_once_so_that_too_much_is_refused_early(
    http: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """asyncio reads up to 256 KiB; TLS holds a buffer as large for each connection."""
    monkeypatch.setenv("EDGE_DATA", str(tmp_path))
    read: list[int] = []
    parse = RequestHandler.data_received

    def data_received(self: RequestHandler, data: bytes) -> None:
        read.append(len(data))
        parse(self, data)

    monkeypatch.setattr(RequestHandler, "data_received", data_received)
    server = _server(http=http)
    await server.start([], ROUTES)
    port = int(server.url.rstrip("/").rsplit(":", 1)[1])
    context = None
    if not http:
        context = ssl.create_default_context(cafile=server.ca)
        context.check_hostname = False
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * (1 << 20))
        with contextlib.suppress(ConnectionResetError):
            async with asyncio.timeout(30):
                assert b"400" in await reader.readline()
        writer.transport.abort()
    finally:
        await server.stop()
    assert 8190 < max(read) <= listener.READ_BYTES
    assert http or SSLProtocol.max_size == listener.READ_BYTES


async def test_connections_beyond_the_limit_are_closed_and_others_go_on() -> None:
    server = _server(max_connections_per_address=4)
    await server.start([], ROUTES)
    port = int(server.url.rstrip("/").rsplit(":", 1)[1])
    try:
        slow = [
            await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.2", 0))
            for _ in range(8)
        ]
        ends = [asyncio.create_task(reader.read()) for reader, _ in slow]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        async with aiohttp.ClientSession() as http, http.get(server.url) as response:
            assert await response.text() == "hello"
        assert server.limits.refused["connections_of_address"] == 4
        for _, writer in slow:
            writer.close()
        await asyncio.wait(ends)
    finally:
        await server.stop()


@contextlib.asynccontextmanager
async def _raw(
    server: HttpServer, sent: bytes, routes: list[web.RouteDef] = ROUTES
) -> AsyncIterator[asyncio.StreamReader]:
    """A connection to `server` on which `sent` was sent."""
    await server.start([], routes)
    port = int(server.url.rstrip("/").rsplit(":", 1)[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        async with asyncio.timeout(60):
            yield reader
    finally:
        writer.close()
        await server.stop()
