"""Logging in as an administrator, in a browser, under the page's own content-security policy."""

from __future__ import annotations

import pytest

from ..serving import serving
from .pages import SESSION_LOOP, opened

pytestmark = [pytest.mark.browser, SESSION_LOOP]

TOKEN = "correct horse"
STATUS = "() => fetch('/api/sessions').then((response) => response.status)"


async def test_the_admin_token_opens_the_admin_routes_to_this_browser() -> None:
    async with (
        serving(admin_token=TOKEN, admin_loopback=False) as server,
        opened(server.url, complaints=True) as watched,
    ):
        page = watched.page
        await page.goto(f"{server.url}admin")
        assert page.url == f"{server.url}admin/login"
        assert await page.evaluate(STATUS) == 401
        await page.get_by_label("Admin token").fill("wrong horse")
        await page.get_by_role("button", name="Log in").click()
        await page.get_by_text("That is not the admin token.").wait_for()
        await page.get_by_label("Admin token").fill(TOKEN)
        await page.get_by_role("button", name="Log in").click()
        await page.wait_for_url(f"{server.url}admin")
        assert await page.evaluate(STATUS) == 200
        assert await page.evaluate("() => document.cookie") == ""
