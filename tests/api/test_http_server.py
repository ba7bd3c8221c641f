"""The listening socket: its URLs, TLS, and the errors in words."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from edge.api import local_ca
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
