"""The page's pure modules, tested where they run: tests/browser/modules/*.js, in Chromium."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Page

from edge.assets.browser import chromium

from .standin import MODULES, serving

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

_TESTS = [
    (path.name, name)
    for path in sorted(MODULES.glob("*.js"))
    for name in re.findall(r"^export (?:async )?function (test_\w+)", path.read_text(), re.M)
]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def blank() -> AsyncIterator[Page]:
    async with serving() as standin, chromium() as browser:
        page = browser.pages[0]
        await page.goto(f"{standin.url}blank")
        yield page


@pytest.mark.parametrize(("module", "name"), _TESTS)
async def test_module(blank: Page, module: str, name: str) -> None:
    failure = await blank.evaluate(
        """async ([module, name]) => {
          const tests = await import(`/modules/${module}`);
          try { await tests[name](); } catch (error) { return `${error.message}\\n${error.stack}`; }
          return null;
        }""",
        [module, name],
    )
    assert failure is None, failure


async def test_the_modules_have_tests() -> None:
    assert len(_TESTS) > 40
