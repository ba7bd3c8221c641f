"""Browsers are skipped, with the reason, where they are not installed."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from edge.assets.browser import BrowserMissingError, chromium_path

from .browsers import BROWSERS

_FIREFOX = ("firefox-esr", "firefox")


def firefox_path() -> str | None:
    return next((path for name in _FIREFOX if (path := shutil.which(name))), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    try:
        chromium_path()
        chromium_missing = None
    except BrowserMissingError as error:
        chromium_missing = str(error)
    firefox_missing = None if firefox_path() else "Firefox is missing: install `firefox-esr`"
    for item in items:
        if item.get_closest_marker("browser") is None:
            continue
        firefox = Path(item.fspath).name == "test_firefox.py"
        missing = firefox_missing if firefox else chromium_missing
        if missing:
            item.add_marker(pytest.mark.skip(reason=missing))


@pytest_asyncio.fixture(loop_scope="session", scope="session", autouse=True)
async def shared_browsers() -> AsyncIterator[None]:
    """Those that tests opened end with the last of them."""
    yield
    await BROWSERS.close()
