"""Login and logout in a browser, by a cookie."""

from __future__ import annotations

import pytest

from edge.api.auth import COOKIE
from tests.api.guarded import OUTSIDE, PROXY, TOKEN, ask, guarded


async def test_a_login_earns_a_cookie_that_scripts_and_other_sites_cannot_use() -> None:
    async with guarded(**PROXY) as client:
        page = await ask(client, headers={**OUTSIDE, "Accept": "text/html"})
        assert page[0] == 303
        status, text = await ask(client, "/admin/login", headers=OUTSIDE)
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
            assert (await ask(client, headers=sent))[0] == expected
        status, _ = await ask(client, "/admin/logout", method="POST", headers=sent)
        assert status == 401


async def test_a_login_ends_with_its_server() -> None:
    async with guarded(**PROXY) as client:
        async with client.post(
            "/admin/login", data={"token": TOKEN}, headers=OUTSIDE, allow_redirects=False
        ) as it:
            cookie = f"{COOKIE}={it.cookies[COOKIE].value}"
        assert (await ask(client, headers={**OUTSIDE, "Cookie": cookie}))[0] == 200
    async with guarded(**PROXY) as client:
        assert (await ask(client, headers={**OUTSIDE, "Cookie": cookie}))[0] == 401


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
        status, text = await ask(client, "/admin/login", method="POST", data=body, headers=headers)
    assert status == 400
    assert "not this page&#39;s form" in text


async def test_a_token_that_is_no_text_is_a_wrong_one() -> None:
    headers = {
        **OUTSIDE,
        "Content-Type": "application/x-www-form-urlencoded; charset=unicode_escape",
    }
    async with guarded(**PROXY) as client:
        status, _ = await ask(
            client, "/admin/login", method="POST", data=b"token=\\ud800", headers=headers
        )
    assert status == 401
