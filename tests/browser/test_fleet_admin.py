"""The fleet's page in Chromium, over a real director, engine and nodes."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.fleet.engine import nats
from tests.fleet.two_nodes import FRAMES, fleet
from tests.publisher import publishing

from .pages import SESSION_LOOP, opened
from .test_accessibility import violations

pytestmark = [pytest.mark.browser, SESSION_LOOP, nats, pytest.mark.timeout(300)]

TOKEN = "correct horse"
SCREENS: dict[str, dict[str, Any]] = {
    "phone": {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True},
    "light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "desk": {"viewport": {"width": 1280, "height": 900}},
}
WIDER = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


async def test_nodes_and_their_sessions_are_seen_acted_on_and_missed(tmp_path: Path) -> None:
    async with fleet(tmp_path, EDGE_ADMIN_TOKEN=TOKEN, EDGE_SLO_MS="5000") as it:
        url = it.director.url.rstrip("/")
        async with (
            publishing(url, FRAMES, fps=5, query={"label": "gate"}) as gate,
            publishing(url, FRAMES, fps=5, query={"label": "dock"}) as dock,
            opened(it.director.url, complaints=True, **SCREENS["desk"]) as watched,
        ):
            page = watched.page
            await gate.wait_for_answers(1)
            await dock.wait_for_answers(1)
            await page.goto(f"{url}/admin")
            await page.get_by_label("Admin token").fill(TOKEN)
            await page.keyboard.press("Enter")
            rows = page.locator("#rows tr")
            for name in it.nodes:
                await page.locator(f"#node-rows tr[data-node={name}][data-level=good]").wait_for()
            await page.get_by_text("All is well: 2 nodes, 2 sessions in time").wait_for()
            own = rows.filter(has_text="gate").get_by_role("link")
            node = it.nodes[it.node_of(gate)]
            assert (await own.get_attribute("href") or "").startswith(f"{node.url}admin/session/")
            for screen in SCREENS.values():
                await page.set_viewport_size(screen["viewport"])
                await page.emulate_media(color_scheme=screen.get("color_scheme", "dark"))
                assert await violations(page) == []
                assert not await page.evaluate(WIDER)

            await page.get_by_role("button", name="Session", exact=True).press("Enter")
            await rows.nth(0).get_by_text("dock").wait_for()
            await page.get_by_label("Search").fill("gate")
            await rows.filter(has_text="dock").wait_for(state="detached")
            await rows.filter(has_text="gate").get_by_role("button", name="Change").press("Enter")
            assert await violations(page) == []
            await page.fill("#change-slo", "2500")
            await page.select_option("#change-variant", "yolov4-tiny-160")
            await page.click("#change-apply")
            await page.locator("#change").wait_for(state="hidden")
            await gate.wait_for(lambda each: each["type"] == "welcome" and each["slo_ms"] == 2500)
            await rows.filter(has_text="pinned").wait_for()
            await page.get_by_label("Search").fill("nobody of this name")
            await page.get_by_text("No session matches.").wait_for()
            await page.get_by_label("Search").fill("")

            drained, [lost] = it.node_of(gate), {*it.nodes} - {it.node_of(gate)}
            row = page.locator(f"tr[data-node={drained}]")
            await row.get_by_role("button", name="Drain").press("Enter")
            await row.get_by_role("button", name="Refuse newcomers?").press("Enter")
            await it.listener.next(lambda beat: beat.node == drained and beat.draining)
            await row.get_by_text("takes no newcomers").wait_for()
            await gate.wait_for_type("move")
            await row.get_by_role("button", name="Stop draining").press("Enter")
            await row.get_by_role("button", name="Accept newcomers?").press("Enter")
            await it.listener.next(lambda beat: beat.node == drained and not beat.draining)

            watched.check()  # from here on requests may fail
            await it.nodes[lost].end(signal.SIGKILL)
            await page.locator(f"tr[data-node={lost}]", has_text="gone for").wait_for()
            await page.locator("#verdict-text", has_text=f"Node {lost} is gone").wait_for()
            assert await page.locator("body").get_attribute("data-level") == "poor"
            await it.director.end(signal.SIGKILL)
            await page.get_by_text("No word from the director").wait_for()
