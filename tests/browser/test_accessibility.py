"""The pages have no violation that axe-core finds (WCAG 2.2 A and AA, and its best practices)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from tests import npm
from tests.npm import ROOT

from ..publisher import publishing
from ..serving import base, noise
from ..serving import serving as serving_whole
from .pages import SESSION_LOOP, opened
from .standin import serving

pytestmark = [pytest.mark.browser, SESSION_LOOP]

YARD = {"name": "yard", "polygon": [(0.1, 0.1), (0.9, 0.1), (0.9, 0.9)]}
AISLE = {"name": "aisle", "start": (0.0, 0.5), "end": (1.0, 0.5)}

SCREENS: dict[str, dict[str, Any]] = {
    "phone": {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True},
    "desk": {"viewport": {"width": 1280, "height": 800}},
    "light": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"},
}


def axe() -> str:
    """The source of axe-core (MPL-2.0), a development dependency of the npm package."""
    try:
        folder = npm.installed(ROOT)
    except npm.NpmMissingError as missing:
        pytest.skip(str(missing))
    return Path(folder / "node_modules/axe-core/axe.min.js").read_text()


async def violations(page: Page) -> list[str]:
    await page.evaluate(axe())
    found = await page.evaluate("async () => (await axe.run()).violations")
    return [
        f"{each['id']}: {each['help']}: {[node['html'][:160] for node in each['nodes']]}"
        for each in found
    ]


@pytest.mark.parametrize("screen", SCREENS)
async def test_the_page(screen: str) -> None:
    found = [("person", 0.9, 0.1, 0.1, 0.4, 0.8), ("car", 0.5, 0.5, 0.5, 0.9, 0.9)]
    async with (
        serving(boxes=lambda frame, index: found, token="hush") as standin,
        opened(standin.url, complaints=True, **SCREENS[screen]) as watched,
    ):
        page = watched.page
        standin.settings["ca"] = "/ca.crt"
        standin.settings["models"] += [{"name": "large", "label": "large", "score_threshold": 0.1}]
        await watched.open(slo=2000)
        assert await violations(page) == []
        await page.click("#share")
        await page.locator("#share-cells[d^=M]").wait_for(state="attached")
        assert await violations(page) == []
        await page.click("#share-close")
        await page.click("#welcome-sample")
        await page.get_by_label("Access token").wait_for()
        assert await violations(page) == []
        await page.get_by_label("Access token").fill("hush")
        await page.keyboard.press("Enter")
        await watched.until("edge.counts.in_time > 3 && edge.latency.n > 3")
        if await page.locator("#more").is_visible():
            await page.click("#more")
        await page.get_by_role("group", name="Show").wait_for()
        assert await violations(page) == []
        standin.silent = True
        await watched.until("edge.freshness === 'unanswered'")
        assert await violations(page) == []


@pytest.mark.parametrize("screen", SCREENS)
async def test_the_admin_pages(screen: str) -> None:
    async with (
        serving_whole(admin_pictures=True, slo_ms=5000, zones=[YARD], lines=[AISLE]) as server,
        publishing(base(server), noise(320, 192), query={"label": "gate"}) as publisher,
        opened(base(server) + "/", complaints=True, **SCREENS[screen]) as watched,
    ):
        page = watched.page
        await publisher.wait_for_answers(1)
        await page.goto(f"{base(server)}/admin")
        row = page.locator("tr[data-session]", has_text="gate")
        await row.wait_for()
        await page.wait_for_function("() => window.__admin.fleet.t.length > 2")
        assert await violations(page) == []
        await row.get_by_role("link").click()
        await page.locator("#leg-rows tr").nth(4).wait_for()
        await page.locator("#place-rows tr", has_text="yard").wait_for()
        await page.locator("#place-rows tr", has_text="aisle").wait_for()
        await page.locator("#picture-text", has_text="box").wait_for()  # with zone and line
        assert await violations(page) == []
        await page.click("#one-change")
        await page.locator("#change").wait_for()
        assert await violations(page) == []
        await page.click("#change-end")
        await page.get_by_role("button", name="Really end it?").click()
        await publisher.wait_for_type("bye")
        await page.get_by_text("ended by the operator (ended)").wait_for()  # its page is kept
        await page.locator("#end-rows tr", has_text="in time").wait_for()
        assert await violations(page) == []
        await page.goto(f"{base(server)}/admin")
        await page.locator("tr[data-ended]", has_text="gate").first.wait_for()
        await page.locator("[data-figure=room]", has_text=re.compile(r"\d")).wait_for(
            state="attached"
        )
        async with page.expect_response("**/api/history?hours=1") as answer:
            await page.select_option("#span", "1")
        assert (await answer.value).ok
        assert await violations(page) == []


async def test_the_login_page() -> None:
    async with (
        serving_whole(admin_token="correct horse", admin_loopback=False) as server,
        opened(server.url, complaints=True) as watched,
    ):
        await watched.page.goto(f"{server.url}admin")
        await watched.page.get_by_label("Admin token").wait_for()
        assert await violations(watched.page) == []


async def test_a_violation_would_be_found() -> None:
    async with serving() as standin, opened(standin.url) as watched:
        await watched.open(slo=5000)
        await watched.page.evaluate("() => document.querySelector('main').append(new Image())")
        assert any(each.startswith("image-alt") for each in await violations(watched.page))
