"""Login and logout in a browser, by a cookie."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.api.access.auth import COOKIE
from edge.api.access.logins import Logins
from tests.api.guarded import OUTSIDE, PROXY, TOKEN, Client, ask, guarded


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
        for value, expected in (
            (cookie.value, 200),
            (cookie.value[:-1], 401),
            (cookie.value[:-1] + "é", 401),
            ("", 401),
        ):
            sent = {**OUTSIDE, "Cookie": f"{COOKIE}={value}"}
            assert (await ask(client, headers=sent))[0] == expected
        status, _ = await ask(client, "/admin/logout", method="POST", headers=sent)
        assert status == 401


async def _log_in(client: Client) -> str:
    """The cookie of a new login."""
    async with client.post(
        "/admin/login", data={"token": TOKEN}, headers=OUTSIDE, allow_redirects=False
    ) as it:
        return f"{COOKIE}={it.cookies[COOKIE].value}"


async def test_a_logout_ends_copies_of_its_cookie_and_no_other_login() -> None:
    async with guarded(**PROXY) as client:
        mine, other = await _log_in(client), await _log_in(client)
        headers = {**OUTSIDE, "Cookie": mine}
        assert (await ask(client, "/admin/logout", method="POST", headers=headers))[0] == 303
        assert (await ask(client, headers=headers))[0] == 401
        assert (await ask(client, headers={**OUTSIDE, "Cookie": other}))[0] == 200


async def test_the_oldest_login_ends_where_there_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edge.api.access.logins.MAX_LOGINS", 2)
    async with guarded(**PROXY) as client:
        cookies = [await _log_in(client) for _ in range(3)]
        found = [(await ask(client, headers={**OUTSIDE, "Cookie": each}))[0] for each in cookies]
    assert found == [401, 200, 200]


async def _is_let_in(client: Client, cookie: str) -> bool:
    return (await ask(client, headers={**OUTSIDE, "Cookie": cookie}))[0] == 200


async def test_a_login_outlives_a_restart_but_no_logout_and_no_other_token(tmp_path: Path) -> None:
    kept = tmp_path / "data" / "logins-8443.json"
    logins = Logins(kept)
    async with guarded(logins=logins, **PROXY) as client:
        stays, ends = await _log_in(client), await _log_in(client)
        headers = {**OUTSIDE, "Cookie": ends}
        assert (await ask(client, "/admin/logout", method="POST", headers=headers))[0] == 303
    logins.close()
    assert kept.stat().st_mode & 0o777 == 0o600
    text = kept.read_text()
    assert stays.partition("=")[2] not in text
    assert TOKEN not in text
    async with guarded(logins=Logins(kept), **PROXY) as client:
        assert await _is_let_in(client, stays)
        assert not await _is_let_in(client, ends)
    other = {**PROXY, "admin_token": "another horse"}
    async with guarded(logins=Logins(kept), **other) as client:
        assert not await _is_let_in(client, stays)


async def test_without_a_file_a_login_ends_with_its_server() -> None:
    async with guarded(**PROXY) as client:
        cookie = await _log_in(client)
        assert await _is_let_in(client, cookie)
    async with guarded(**PROXY) as client:
        assert not await _is_let_in(client, cookie)


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
