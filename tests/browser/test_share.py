"""The page's address for another phone: a link and a QR code, without the token unless asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from playwright.async_api import Page

from .pages import SESSION_LOOP, opened
from .standin import serving

pytestmark = [pytest.mark.browser, SESSION_LOOP]

PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "is_mobile": True,
    "has_touch": True,
    "device_scale_factor": 2,
}


async def scanned(page: Page, link: str) -> str:
    """What a phone reads from the code, once it is of that link."""
    await page.wait_for_function(
        """(link) => document.querySelector('#share-link').value === link
          && document.querySelector('#share-cells').getAttribute('d') !== window.lastCells""",
        arg=link,
    )
    await page.evaluate(
        "() => { window.lastCells = document.querySelector('#share-cells').getAttribute('d'); }"
    )
    png = await page.locator("#share-code").screenshot()
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return str(cv2.QRCodeDetector().detectAndDecode(image)[0])


async def test_the_code_is_the_link_and_has_the_token_only_if_asked(tmp_path: Path) -> None:
    token = "s3cret token&more"
    async with serving(token=token) as standin, opened(standin.url, **PHONE) as watched:
        standin.settings["lan"] = "https://192.0.2.7:8443/"
        page = watched.page
        await page.goto(f"{standin.url}?label=desk#token=s3cret%20token%26more")
        await page.get_by_role("button", name="Open on another phone").click()
        plain = "https://192.0.2.7:8443/"
        assert await scanned(page, plain) == plain
        assert "s3cret" not in await page.content()
        await page.get_by_label("Include the token").check()
        with_token = f"{plain}#token=s3cret+token%26more"
        assert await scanned(page, with_token) == with_token
        await page.get_by_role("button", name="Close").click()
        await page.get_by_role("button", name="Open on another phone").click()
        assert await scanned(page, plain) == plain  # it has to be asked for each time
        assert not any("s3cret" in url for url in watched.requests[1:])


async def test_the_shared_link_opens_the_page_with_the_token() -> None:
    async with serving(token="a b+c") as standin, opened(standin.url) as watched:
        page = watched.page
        await page.goto(f"{standin.url}#token=a+b%2Bc")
        await page.click("#share")
        await page.get_by_label("Include the token").check()
        link = await page.get_by_label("Link", exact=True).input_value()
        await page.evaluate("() => sessionStorage.clear()")
        await page.goto("about:blank")
        await page.goto(link)
        await page.click("#welcome-sample")
        await watched.until("edge.state === 'live'")


async def test_an_address_of_this_machine_alone_says_so_and_no_token_asks_for_none() -> None:
    async with serving() as standin, opened(standin.url) as watched:
        await watched.open(slo=5000)
        await watched.page.click("#share")
        await watched.page.get_by_text("works on this machine only").wait_for()
        assert not await watched.page.get_by_label("Include the token").is_visible()
        assert await scanned(watched.page, standin.url) == standin.url  # without the query
