"""A picture that is not of now does not pass for live, and what is found can be heard."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from .pages import SESSION_LOOP, opened
from .standin import Standin, serving

pytestmark = [pytest.mark.browser, SESSION_LOOP]

# A camera that the test can stop, as one does whose driver hangs: its track stays live.
STOPPABLE = """
  MediaDevices.prototype.getUserMedia = async () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [640, 360];
    const context = canvas.getContext("2d");
    let n = 0;
    setInterval(() => {
      if (window.stopped) return;
      context.fillStyle = `hsl(${n += 7} 50% 50%)`;
      context.fillRect(0, 0, 640, 360);
    }, 66);
    return canvas.captureStream(15);
  };"""


@pytest_asyncio.fixture(loop_scope="session")
async def standin() -> AsyncIterator[Standin]:
    async with serving(boxes=lambda frame, index: [("person", 0.9, 0.1, 0.1, 0.4, 0.8)]) as server:
        yield server


async def test_a_frozen_picture_is_shown_as_frozen(standin: Standin) -> None:
    async with opened(standin.url, scripts=[STOPPABLE]) as watched:
        page = watched.page
        await watched.open(autostart=1, slo=2000)
        await watched.until("edge.counts.in_time > 10 && edge.freshness === 'fresh'")
        await page.locator("#status-text").get_by_text("Live", exact=True).wait_for()
        await page.evaluate("() => { window.stopped = true; }")
        await watched.until("edge.freshness === 'frozen'")
        assert await page.locator("#status-text").inner_text() == "Picture frozen"
        await page.get_by_text("The camera has given no picture for").wait_for()
        assert "grayscale" in await page.locator("#canvas").evaluate(
            "c => getComputedStyle(c).filter"
        )
        assert await page.evaluate("() => window.__edge.state") == "live"  # the link is well
        await page.evaluate("() => { window.stopped = false; }")
        await watched.until("edge.freshness === 'fresh'")
        await page.locator("#status-text").get_by_text("Live", exact=True).wait_for()
        assert not await page.locator("#toast").is_visible()


async def test_a_server_that_answers_nothing_is_told_before_the_link_is_given_up(
    standin: Standin,
) -> None:
    async with opened(standin.url) as watched:
        page = watched.page
        await watched.open(autostart=1, slo=2000)
        await watched.until("edge.counts.in_time > 10")
        standin.silent = True  # it answers pings, and no frame
        await watched.until("edge.freshness === 'unanswered'")
        assert await page.locator("#status-text").inner_text() == "No answers"
        await page.get_by_text("No answer from the server for").wait_for()
        assert await page.evaluate("() => window.__edge.state") == "live"
        standin.silent = False
        await watched.until("edge.freshness === 'fresh'")
        await page.locator("#status-text").get_by_text("Live", exact=True).wait_for()


async def test_screen_readers_get_what_was_found(standin: Standin) -> None:
    async with opened(standin.url) as watched:
        page = watched.page
        await watched.open(autostart=1, slo=2000)
        heard = page.locator("[aria-live=polite]#found")
        await heard.get_by_text("person", exact=True).wait_for(state="attached")
        car = ("car", 0.8, 0.5, 0.5, 0.9, 0.9)
        standin.boxes = lambda frame, index: [car, car]
        await heard.get_by_text("car × 2", exact=True).wait_for(state="attached")
        standin.boxes = lambda frame, index: []
        await heard.get_by_text("Nothing found").wait_for(state="attached")
