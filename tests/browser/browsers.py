"""Browsers that tests share, since starting one takes a second of a processor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, Page, Playwright, async_playwright

from edge.assets.browser import launch_options, started

MOST_OPEN = 2  # browsers; the one that was not used for longest is closed for another

WAIT_S = 120.0  # for whatever is awaited: a busy machine is no failure

_Key = tuple[Path | None, tuple[str, ...]]


class SharedBrowsers:
    """A browser for each camera and flags; each test gets a context, as fresh as a first start.

    All belongs to the event loop of the whole session, `close` included.
    """

    def __init__(self) -> None:
        self._playwright: Playwright | None = None
        self._open: dict[_Key, Browser] = {}  # the latest one last

    @asynccontextmanager
    async def context(
        self, camera: Path | None = None, flags: Sequence[str] = (), **options: Any
    ) -> AsyncIterator[BrowserContext]:
        """A context of its own; `options` go to Playwright (viewport, is_mobile, ...)."""
        browser = await self._browser((camera, tuple(flags)))
        async with await browser.new_context(ignore_https_errors=True, **options) as context:
            context.set_default_timeout(1000.0 * WAIT_S)
            yield context

    @asynccontextmanager
    async def page(self) -> AsyncIterator[Page]:
        """The one page of a context, with Chromium's own picture for a camera."""
        async with self.context() as context:
            yield await context.new_page()

    async def close(self) -> None:
        """End all browsers, and the driver."""
        for browser in self._open.values():
            await browser.close()
        self._open.clear()
        if self._playwright is not None:
            await self._playwright.stop()
            self._playwright = None

    async def _browser(self, key: _Key) -> Browser:
        browser = self._open.pop(key, None)
        if browser is None or not browser.is_connected():
            if self._playwright is None:
                self._playwright = await async_playwright().start()
            while len(self._open) >= MOST_OPEN:
                await self._open.pop(next(iter(self._open))).close()
            launch, options = self._playwright.chromium.launch, launch_options(*key)
            browser = await started(lambda timeout_ms: launch(timeout=timeout_ms, **options))
        self._open[key] = browser
        return browser


BROWSERS = SharedBrowsers()
