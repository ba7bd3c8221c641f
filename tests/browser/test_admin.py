"""The operator's page in Chromium: live rows, actions that work, nothing to complain of."""

from __future__ import annotations

from typing import Any

import pytest

from edge.server import Server

from ..publisher import publishing
from ..serving import base, noise, serving
from .pages import SESSION_LOOP, opened

pytestmark = [pytest.mark.browser, SESSION_LOOP]

PHONE = {
    "viewport": {"width": 360, "height": 740},
    "is_mobile": True,
    "has_touch": True,
    "device_scale_factor": 2,
}
SCREENS: dict[str, dict[str, Any]] = {
    "desk": {"viewport": {"width": 1280, "height": 900}},
    "phone": PHONE,
    "light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
}
WIDER = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


def _name(server: Server, label: str) -> str:
    [name] = [each.name for each in server.sessions if each.label == label]
    return name


@pytest.mark.parametrize("screen", SCREENS)
async def test_rows_come_live_and_actions_work(screen: str) -> None:
    async with (
        serving(admin_pictures=True, slo_ms=5000) as server,
        publishing(base(server), noise(320, 192), query={"label": "gate-north"}) as first,
        opened(base(server) + "/", complaints=True, **SCREENS[screen]) as watched,
    ):
        page = watched.page
        await first.wait_for_answers(1)
        await page.goto(f"{base(server)}/admin")
        row = page.locator("tr[data-session]", has_text="gate-north")
        await row.wait_for()
        await page.wait_for_function("() => window.__admin.fleet.t.length > 2")
        assert await page.locator(".chart canvas").count() == 4
        assert not await page.evaluate(WIDER)

        async with publishing(base(server), noise(320, 192), query={"label": "dock-2"}) as other:
            await other.wait_for_answers(1)
            await page.locator("tr[data-session]", has_text="dock-2").wait_for()
            assert await page.locator("tr[data-session]").count() == 2
        await page.locator("tr[data-session]", has_text="dock-2").wait_for(state="detached")

        if screen == "phone":  # a row of a session that is well is a line; the rest is a tap away
            await row.get_by_role("link").click()
            await page.locator("#leg-rows tr").nth(4).wait_for()
            await page.click("#one-change")
        else:
            # By its key: what stands above may grow between a click's aim and its press.
            await row.get_by_role("button", name="Change").press("Enter")
        await page.fill("#change-slo", "2500")
        await page.select_option("#change-variant", "yolov4-tiny-160")
        await page.click("#change-apply")
        await page.locator("#change").wait_for(state="hidden")
        await first.wait_for(lambda it: it["type"] == "welcome" and it["slo_ms"] == 2500.0)
        name = _name(server, "gate-north")
        if screen != "phone":
            await row.get_by_text("tiny 160 pinned").wait_for()
            await row.get_by_role("link", name="gate-north").click()
        await page.wait_for_url(f"**/admin/session/{name}")
        await page.locator("#leg-rows tr", has_text="inference").wait_for()
        await page.locator("#picture-text", has_text="box").wait_for()
        assert await page.locator("#picture").evaluate("canvas => canvas.width") == 320
        assert not await page.evaluate(WIDER)

        watched.check()  # from here on a picture may be asked for that has just ended
        await page.click("#one-change")
        await page.click("#change-end")
        await page.get_by_role("button", name="Really end it?").click()
        await first.wait_for_type("bye")
        await page.get_by_text("ended by the operator (ended)").wait_for()  # its page is kept
        await page.locator("#end-rows tr", has_text="in time").wait_for()
        assert not await page.evaluate(WIDER)
        await page.goto(f"{base(server)}/admin")
        ended = page.locator(f"tr[data-ended='{name}']")
        await ended.get_by_text("ended by the operator").wait_for()
        await page.locator("tr[data-ended]", has_text="dock-2").first.wait_for()
        assert not await page.evaluate(WIDER)
        async with page.expect_response("**/api/history?hours=1") as answer:
            await page.select_option("#span", "1")  # the charts from the history
        assert (await answer.value).ok


async def test_draining_is_asked_twice() -> None:
    async with (
        serving() as server,
        opened(base(server) + "/", **SCREENS["desk"]) as watched,
    ):
        page = watched.page
        await page.goto(f"{base(server)}/admin")
        await page.get_by_text("No session", exact=True).wait_for()
        await page.click("#drain")
        assert not server.sessions.draining
        await page.get_by_role("button", name="Refuse newcomers?").click()
        await page.locator("#drain[aria-pressed=true]").wait_for()
        assert server.sessions.draining


async def test_what_is_wrong_comes_first_and_old_news_is_no_news() -> None:
    async with (
        serving(media_timeout_s=600, slo_ms=5000) as server,
        publishing(base(server), noise(320, 192), query={"label": "gate"}) as well,
        opened(base(server) + "/", complaints=True, **SCREENS["desk"]) as watched,
    ):
        page = watched.page
        rows = page.locator("tr[data-session]")
        await well.wait_for_answers(1)
        await page.goto(f"{base(server)}/admin")
        await rows.wait_for()
        async with publishing(base(server), noise(320, 192), query={"label": "quay"}) as dark:
            await dark.wait_for_answers(1)
            await rows.filter(has_text="quay").wait_for()
            dark.track.running.clear()  # its camera falls silent
            await page.locator("#causes", has_text="quay no frame for 10 s").wait_for()
            assert await page.locator("body").get_attribute("data-level") == "poor"
            await rows.nth(0).get_by_text("quay").wait_for()
            await rows.nth(1).get_by_text("gate").wait_for()
        await server.stop()
        await page.get_by_text("No word from the server").wait_for()


async def test_zones_and_lines_are_drawn_over_the_last_picture() -> None:
    whole = [(0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9)]
    settings: dict[str, Any] = {
        "zones": [{"name": "yard", "label": "gate", "polygon": whole, "settle_s": 0.1}],
        "lines": [{"name": "door", "label": "gate", "start": (0.0, 0.5), "end": (1.0, 0.5)}],
        "rules": [{"name": "anybody", "zone": "yard", "more_than": 0, "for_s": 0.1}],
    }
    async with (
        serving(admin_pictures=True, slo_ms=5000, **settings) as server,
        publishing(base(server), noise(320, 192, count=1), query={"label": "gate"}) as me,
        opened(base(server) + "/", complaints=True, **SCREENS["desk"]) as watched,
    ):
        page = watched.page
        await me.wait_for_answers(1)
        await page.goto(f"{base(server)}/admin/session/{_name(server, 'gate')}")
        rows = page.locator("#place-rows tr")
        await rows.filter(has_text="yard").filter(has_not_text="0 inside").wait_for()
        await rows.filter(has_text="anybody").filter(has_text="on").wait_for()
        assert await rows.count() == 3
        await page.locator("#picture-text", has_text="box").wait_for()
        # The zone's upper side, away from its name and the line: 10 % down, 75 % across.
        pixel = "c => [...c.getContext('2d').getImageData(240, 19, 1, 1).data]"
        red, green, blue, _ = await page.locator("#picture").evaluate(pixel)
        assert red > 200 > blue
        assert green > 150
        watched.check()
