"""Who may administer: tokens, cookies, this machine itself; and who may not, however they ask."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from edge.api.auth import COOKIE, PROOF, WRONG_TOKENS_PER_MINUTE, AccessControl
from edge.api.login import LoginPages
from edge.config import load
from tests.serving import base, error_of, serving

TOKEN = "correct horse"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
PROXY: dict[str, Any] = {"trusted_proxies": ["127.0.0.1"], "admin_token": TOKEN}
OUTSIDE = {"X-Forwarded-For": "198.51.100.7"}
Client = TestClient[web.Request, web.Application]


@asynccontextmanager
async def guarded(**settings: Any) -> AsyncIterator[Client]:
    """A server with the guard, the login page, and routes that say how they were reached."""

    async def reached(request: web.Request) -> web.Response:
        return web.Response(text=request.get(PROOF, "open"))

    access = AccessControl(load(**settings))
    app = web.Application(middlewares=[access.guard])
    app.add_routes(LoginPages(access).routes())
    for path in ("/admin", "/api/sessions", "/metrics", "/other", "/{any}/x"):
        app.router.add_route("*", path, reached)
    async with TestClient(TestServer(app), cookie_jar=aiohttp.DummyCookieJar()) as client:
        yield client


async def _ask(client: Client, path: str = "/admin", **options: Any) -> tuple[int, str]:
    method = options.pop("method", "GET")
    async with client.request(method, path, allow_redirects=False, **options) as it:
        return it.status, await it.text()


@pytest.mark.parametrize("path", ["/admin", "/api/sessions", "/metrics", "/%61pi/x", "/admin/x"])
async def test_administering_takes_the_token_from_elsewhere(path: str) -> None:
    async with guarded(**PROXY) as client:
        assert (await _ask(client, path, headers=OUTSIDE))[0] == 401
        wrong = {**OUTSIDE, "Authorization": "Bearer correct hors"}
        assert (await _ask(client, path, headers=wrong))[0] == 401
        assert await _ask(client, path, headers={**OUTSIDE, **BEARER}) == (200, "token")


async def test_other_routes_are_open() -> None:
    async with guarded(**PROXY) as client:
        assert await _ask(client, "/other", headers=OUTSIDE) == (200, "open")


@pytest.mark.parametrize(
    ("settings", "headers", "status"),
    [
        ({}, {}, 200),
        ({"http": True}, {}, 401),  # perhaps a proxy's connection, for anybody
        ({"http": True, "admin_loopback": True}, {}, 200),
        ({"admin_loopback": False}, {}, 401),
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
        assert (await _ask(client, headers=headers))[0] == status


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("POST", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("POST", {"Sec-Fetch-Site": "same-site"}, 403),
        ("DELETE", {"Origin": "https://evil.example"}, 403),
        ("POST", {"Origin": "null"}, 403),
        ("GET", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ("GET", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),
        ("POST", {"Sec-Fetch-Site": "same-origin", "Origin": "https://behind.a.proxy"}, 200),
        ("POST", {"Sec-Fetch-Site": "none"}, 200),
        ("POST", {}, 200),
    ],
)
async def test_other_sites_pages_are_refused_even_with_the_right(
    method: str, headers: dict[str, str], status: int
) -> None:
    async with guarded(admin_token=TOKEN) as client:
        for right in ({}, BEARER):
            assert (await _ask(client, method=method, headers={**headers, **right}))[0] == status


async def test_a_login_earns_a_cookie_that_scripts_and_other_sites_cannot_use() -> None:
    async with guarded(**PROXY) as client:
        page = await _ask(client, headers={**OUTSIDE, "Accept": "text/html"})
        assert page[0] == 303
        status, text = await _ask(client, "/admin/login", headers=OUTSIDE)
        assert status == 200
        assert 'name="token"' in text
        async with client.post(
            "/admin/login",
            data={"token": TOKEN},
            headers={**OUTSIDE, "X-Forwarded-Proto": "https"},
            allow_redirects=False,
        ) as it:
            assert it.status == 303
            assert it.headers["Location"] == "/admin"
            cookie = it.cookies[COOKIE]
        assert cookie["httponly"]
        assert cookie["secure"]
        assert cookie["samesite"] == "Strict"
        assert TOKEN not in cookie.value
        until, mac = cookie.value.split(".")
        for value, expected in (
            (cookie.value, 200),
            (f"{int(until) + 1}.{mac}", 401),
            (f"{until}.{mac[:-1]}é", 401),
            ("", 401),
            ("²." + mac, 401),
        ):
            sent = {**OUTSIDE, "Cookie": f"{COOKIE}={value}"}
            assert (await _ask(client, headers=sent))[0] == expected
        status, _ = await _ask(client, "/admin/logout", method="POST", headers=sent)
        assert status == 401


async def test_a_login_ends_with_its_server() -> None:
    async with guarded(**PROXY) as client:
        async with client.post(
            "/admin/login", data={"token": TOKEN}, headers=OUTSIDE, allow_redirects=False
        ) as it:
            cookie = f"{COOKIE}={it.cookies[COOKIE].value}"
        assert (await _ask(client, headers={**OUTSIDE, "Cookie": cookie}))[0] == 200
    async with guarded(**PROXY) as client:
        assert (await _ask(client, headers={**OUTSIDE, "Cookie": cookie}))[0] == 401


async def test_guessing_tokens_is_slow_and_costs_the_guesser_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with guarded(**PROXY) as client:
        for _ in range(WRONG_TOKENS_PER_MINUTE):
            status, _ = await _ask(
                client, "/admin/login", method="POST", data={"token": "guess"}, headers=OUTSIDE
            )
            assert status == 401
        status, _ = await _ask(
            client, "/admin/login", method="POST", data={"token": TOKEN}, headers=OUTSIDE
        )
        assert status == 429
        assert (await _ask(client, headers={**OUTSIDE, **BEARER}))[0] == 429
        other = {"X-Forwarded-For": "198.51.100.7, 203.0.113.9", **BEARER}  # the last is the truth
        assert await _ask(client, headers=other) == (200, "token")
    assert TOKEN not in caplog.text
    assert "guess" not in caplog.text


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded; charset=nonsense", b"token=x"),
        ("application/x-www-form-urlencoded", b"\xff"),
        ("multipart/form-data", b"token=x"),
        ("multipart/form-data; boundary=a", b"token=x"),
    ],
)
async def test_what_is_no_form_is_refused(content_type: str, body: bytes) -> None:
    async with guarded(**PROXY) as client:
        headers = {**OUTSIDE, "Content-Type": content_type}
        status, text = await _ask(client, "/admin/login", method="POST", data=body, headers=headers)
    assert status == 400
    assert "not this page&#39;s form" in text


async def test_a_token_that_is_no_text_is_a_wrong_one() -> None:
    headers = {
        **OUTSIDE,
        "Content-Type": "application/x-www-form-urlencoded; charset=unicode_escape",
    }
    async with guarded(**PROXY) as client:
        status, _ = await _ask(
            client, "/admin/login", method="POST", data=b"token=\\ud800", headers=headers
        )
    assert status == 401


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
