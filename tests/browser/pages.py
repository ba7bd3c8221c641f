"""The page under test in Chromium, with everything watched that a page must not do."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from playwright.async_api import Page

from .browsers import BROWSERS, WAIT_S

SESSION_LOOP = pytest.mark.asyncio(loop_scope="session")


class Watched:
    """A page, its console's complaints and where its requests went."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.origin = origin
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        page.on("request", lambda request: self.requests.append(request.url))

    def _console(self, message: Any) -> None:
        # The tests read pixels, the page doesn't: that warning is about the tests.
        if message.type in ("error", "warning") and "willReadFrequently" not in message.text:
            self.complaints.append(f"{message.type}: {message.text}")

    async def open(self, **query: Any) -> None:
        await self.page.goto(f"{self.origin}?{urlencode(query)}")

    async def until(self, condition: str, timeout_s: float = WAIT_S) -> None:
        """Wait for a JavaScript expression over `edge` (window.__edge) to become true."""
        script = f"() => {{ const edge = window.__edge; return Boolean(edge && ({condition})); }}"
        try:
            await self.page.wait_for_function(script, timeout=1000 * timeout_s)
        except Exception as error:
            started = await self.page.evaluate("() => Boolean(window.__edge)")
            seen = await self.snapshot() if started else {"modules": self.requests[-40:]}
            raise AssertionError(
                f"never became true: {condition}; {json.dumps(seen)}; console: {self.complaints}"
            ) from error

    async def snapshot(self) -> dict[str, Any]:
        return dict(await self.page.evaluate("() => window.__edge.snapshot()"))

    def check(self) -> None:
        """Nothing was asked of another origin, nothing complained of."""
        strangers = {
            url
            for url in self.requests
            if urlsplit(url).scheme not in ("data", "blob") and not url.startswith(self.origin)
        }
        assert not strangers, f"requests to other origins: {strangers}"
        assert not self.complaints, f"on the console: {self.complaints}"


@asynccontextmanager
async def opened(
    origin: str,
    camera: Path | None = None,
    *,
    flags: Sequence[str] = (),
    scripts: Sequence[str] = (),
    complaints: bool = False,
    **context: Any,
) -> AsyncIterator[Watched]:
    """A browser with the page to come; `scripts` run before the page's own.

    The browser is shared, so tests run in the session's event loop (`SESSION_LOOP`). With
    `complaints`, the console may complain (of a request that was refused, say).
    """
    async with BROWSERS.context(camera, flags, **context) as browser:
        page = await browser.new_page()
        for script in scripts:
            await page.add_init_script(script)
        watched = Watched(page, origin)
        yield watched
        if complaints:
            watched.complaints.clear()
        watched.check()


def adds_up(counts: dict[str, Any]) -> bool:
    """Every captured frame is in exactly one count."""
    dropped = sum(counts["dropped"].values())
    return bool(
        counts["captured"] == counts["in_time"] + counts["late"] + dropped + counts["pending"]
    )
