"""Access control: the admin token, loopback, other sites' pages, guessed tokens."""

from __future__ import annotations

import logging
import ssl
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request

from edge.api.access.auth import WRONG_TOKENS_PER_MINUTE, AccessControl
from edge.api.access.origins import is_cross_origin, is_cross_site
from edge.config import load
from tests.api.guarded import BEARER, OUTSIDE, PROXY, TOKEN, ask, guarded
from tests.publisher import publishing
from tests.serving import base, error_of, noise, serving


@pytest.mark.parametrize("path", ["/admin", "/api/sessions", "/metrics", "/%61pi/x", "/admin/x"])
async def test_administering_takes_the_token_from_elsewhere(path: str) -> None:
    async with guarded(**PROXY) as client:
        assert (await ask(client, path, headers=OUTSIDE))[0] == 401
        wrong = {**OUTSIDE, "Authorization": "Bearer correct hors"}
        assert (await ask(client, path, headers=wrong))[0] == 401
        assert await ask(client, path, headers={**OUTSIDE, **BEARER}) == (200, "token")


async def test_other_routes_are_open() -> None:
    async with guarded(**PROXY) as client:
        assert await ask(client, "/other", headers=OUTSIDE) == (200, "open")


@pytest.mark.parametrize(
    ("settings", "headers", "status"),
    [
        ({}, {}, 200),
        ({"http": True}, {}, 401),  # perhaps a proxy's connection, for anybody
        ({"http": True, "admin_loopback": True}, {}, 200),
        ({"admin_loopback": False}, {}, 401),
        ({"admin_token": TOKEN}, {}, 401),
        ({"admin_token": TOKEN, "admin_loopback": True}, {}, 401),
        ({}, {"Host": "[::1"}, 401),
        ({}, {"Host": "[x]:1]"}, 401),
        ({}, {"X-Forwarded-For": "127.0.0.1"}, 401),
        ({}, {"Forwarded": "for=192.0.2.1"}, 401),
        ({}, {"Via": "1.1 proxy"}, 401),
        ({}, {"Host": "rebound.example"}, 401),
        ({}, {"Host": "localhost:8443"}, 200),
        ({}, {"Host": "[::1]:8443"}, 200),
        ({"trusted_proxies": ["127.0.0.0/8"]}, {}, 401),
        ({"trusted_proxies": ["127.0.0.0/8"]}, {"X-Forwarded-For": "127.0.0.1"}, 401),
    ],
)
async def test_loopback_is_enough_only_where_nobody_stands_in_between(
    settings: dict[str, Any], headers: dict[str, str], status: int
) -> None:
    async with guarded(**settings) as client:
        assert (await ask(client, headers=headers))[0] == status


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("POST", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("POST", {"Sec-Fetch-Site": "same-site"}, 403),
        ("DELETE", {"Origin": "https://evil.example"}, 403),
        ("POST", {"Origin": "null"}, 403),
        ("POST", {"Origin": "https://[::1"}, 403),
        ("POST", {"Origin": "//[x]]"}, 403),
        ("GET", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ("GET", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),
        ("GET", {"Origin": "https://evil.example"}, 403),
        ("GET", {"Origin": "https://evil.example", "Upgrade": "websocket"}, 403),
        ("GET", {"Origin": "https://evil.example", "Sec-Fetch-Site": "none"}, 403),
        ("GET", {"Origin": "https://evil.example", "Sec-Fetch-Mode": "navigate"}, 403),
        ("HEAD", {"Origin": "null"}, 403),
        ("GET", {"Sec-Fetch-Site": "same-origin", "Origin": "https://behind.a.proxy"}, 200),
        ("POST", {"Sec-Fetch-Site": "same-origin", "Origin": "https://behind.a.proxy"}, 200),
        ("POST", {"Sec-Fetch-Site": "none"}, 200),
        ("POST", {}, 200),
    ],
)
async def test_other_sites_pages_are_refused_even_with_the_right(
    method: str, headers: dict[str, str], status: int
) -> None:
    async with guarded(admin_token=TOKEN) as client:
        found, _ = await ask(client, method=method, headers={**headers, **BEARER})
        assert found == status


async def test_guessing_tokens_is_slow_and_costs_the_guesser_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with guarded(**PROXY) as client:
        for _ in range(WRONG_TOKENS_PER_MINUTE):
            status, _ = await ask(
                client, "/admin/login", method="POST", data={"token": "guess"}, headers=OUTSIDE
            )
            assert status == 401
        status, _ = await ask(
            client, "/admin/login", method="POST", data={"token": TOKEN}, headers=OUTSIDE
        )
        assert status == 429
        assert (await ask(client, headers={**OUTSIDE, **BEARER}))[0] == 429
        other = {"X-Forwarded-For": "198.51.100.7, 203.0.113.9", **BEARER}  # the last is the truth
        assert await ask(client, headers=other) == (200, "token")
    assert TOKEN not in caplog.text
    assert "guess" not in caplog.text


async def test_an_own_pages_origin_is_no_other_site() -> None:
    async with guarded() as client:
        own = {"Origin": f"http://{client.host}:{client.port}"}
        for method in ("GET", "POST"):
            assert await ask(client, method=method, headers=own) == (200, "local")


def test_a_page_without_tls_is_another_origin_than_a_server_with_it() -> None:
    for scheme, foreign in (("https", False), ("http", True)):
        headers = {"Host": "edge.example", "Origin": f"{scheme}://edge.example"}
        request = make_mocked_request(
            "GET", "/api/results", headers, sslcontext=ssl.create_default_context()
        )
        assert is_cross_origin(request) is is_cross_site(request) is foreign


@pytest.mark.parametrize("path", ["/whip", "/whip/x", "/api/results"])
async def test_a_foreign_page_cannot_use_up_this_machines_attempts(path: str) -> None:
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    method = "POST" if path == "/whip" else "GET" if path == "/api/results" else "DELETE"
    async with (
        serving(token="hush", admin_token=TOKEN) as server,
        aiohttp.ClientSession() as http,
    ):
        url = base(server) + path
        statuses = []
        for _ in range(WRONG_TOKENS_PER_MINUTE + 1):
            wrong = {**foreign, "Authorization": "Bearer x"}
            async with http.request(method, url, headers=wrong) as it:
                statuses.append(it.status)
        assert statuses == [401] * WRONG_TOKENS_PER_MINUTE + [429]
        async with http.request(method, url, headers={"Authorization": "Bearer x"}) as it:
            assert it.status == 401
        right = BEARER if path == "/api/results" else {"Authorization": "Bearer hush"}
        async with http.request(method, url, headers=right) as it:
            assert it.status not in (401, 429)


async def test_the_guard_is_in_the_server_and_publishing_has_its_own_token() -> None:
    async with (
        serving(token="hush", admin_token=TOKEN, admin_loopback=False) as server,
        aiohttp.ClientSession() as http,
    ):
        async with http.get(f"{base(server)}/admin/logout", headers=BEARER) as it:
            assert it.status == 405
        publisher = {"Authorization": "Bearer hush"}
        async with http.post(f"{base(server)}/admin/logout", headers=publisher) as it:
            assert it.status == 401
            assert (await error_of(it))["code"] == "unauthorized"
            assert "Access-Control-Allow-Origin" not in it.headers
            assert it.headers["Cache-Control"] == "no-store"
            assert "frame-ancestors 'none'" in it.headers["Content-Security-Policy"]
        async with http.post(f"{base(server)}/whip", data="v=0", headers=BEARER) as it:
            assert it.status == 401


@pytest.mark.parametrize(
    ("settings", "headers", "local"),
    [
        ({}, {}, True),
        ({}, {"X-Forwarded-For": "127.0.0.1"}, False),  # by a proxy that may forward anybody
        ({}, {"Via": "1.1 proxy"}, False),
        ({"trusted_proxies": ["127.0.0.1"]}, {"X-Forwarded-For": "198.51.100.7"}, False),
        ({"trusted_proxies": ["127.0.0.1"]}, {"X-Forwarded-For": "127.0.0.9"}, True),
    ],
)
async def test_a_client_on_this_machine_is_recognised(
    settings: dict[str, Any], headers: dict[str, str], local: bool
) -> None:
    access = AccessControl(load(**settings))

    async def where(request: web.Request) -> web.Response:
        return web.json_response(access.is_on_this_machine(request))

    app = web.Application()
    app.router.add_get("/", where)
    async with TestClient(TestServer(app)) as client, client.get("/", headers=headers) as it:
        assert await it.json() is local


async def test_tokens_have_names_and_limits_of_their_own(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    tokens = [{"name": "door", "token": "d", "max_sessions": 1}, {"name": "yard", "token": "y"}]
    door, yard = ({"Authorization": f"Bearer {text}"} for text in "dy")
    async with (
        serving(tokens=tokens) as server,
        aiohttp.ClientSession() as http,
        publishing(base(server), noise(320, 192), headers=door) as me,
        publishing(base(server), noise(320, 192), headers=yard),
    ):
        sdp = me.connection.localDescription.sdp
        headers = {"Content-Type": "application/sdp"}
        url = f"{base(server)}/whip"
        async with http.post(url, data=sdp, headers={**headers, **door}) as it:
            assert it.status == 429
            assert (await error_of(it))["code"] == "token_full"
        async with http.post(url, data=sdp, headers=headers) as it:
            assert it.status == 401
    names = [line for line in caplog.text.splitlines() if "event=session_opened" in line]
    assert ["token=door" in names[0], "token=yard" in names[1]] == [True, True]


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:4711", "192.0.2.1"),
        (" 192.0.2.1:4711 ", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ('"[2001:db8::1]:443"', "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("[::ffff:192.0.2.1]:80", "192.0.2.1"),
        ("203.0.113.9:1, 192.0.2.1:2", "192.0.2.1"),
        ("192.0.2.1:2, 127.0.0.1:3", "192.0.2.1"),  # the last is a trusted proxy itself
        ("192.0.2.1:port", "127.0.0.1"),
        ("192.0.2.1:80:90", "127.0.0.1"),
        ("[2001:db8::1", "2001:db8::1"),
        ("unknown", "127.0.0.1"),
        ("_hidden:80", "127.0.0.1"),
        ("", "127.0.0.1"),
    ],
)
async def test_a_client_is_known_by_its_address_with_a_port_or_without(
    forwarded: str, address: str
) -> None:
    access = AccessControl(load(trusted_proxies=["127.0.0.1"]))

    async def client(request: web.Request) -> web.Response:
        return web.Response(text=str(access.client(request)))

    app = web.Application()
    app.router.add_get("/", client)
    async with (
        TestClient(TestServer(app)) as http,
        http.get("/", headers={"X-Forwarded-For": forwarded}) as it,
    ):
        assert await it.text() == address
