"""The page's link is replaced by a new one, make before break: another network, a dead path."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from .cameras import numbered
from .pages import SESSION_LOOP, adds_up, opened
from .standin import Standin, serving

pytestmark = [pytest.mark.browser, SESSION_LOOP]

ONLINE = "() => window.dispatchEvent(new Event('online'))"
# A browser that tells the kind of network, as those on phones do.
CELLULAR = """
  const connection = new EventTarget();
  connection.type = "wifi";
  Object.defineProperty(navigator, "connection", { value: connection });
  window.becomeCellular = () => {
    connection.dispatchEvent(new Event("change")); // its rate changed, and nothing else
    connection.type = "cellular";
    connection.dispatchEvent(new Event("change"));
  };"""


@pytest.fixture
def camera() -> Path:
    return numbered()


@pytest_asyncio.fixture(loop_scope="session")
async def standin() -> AsyncIterator[Standin]:
    async with serving(boxes=lambda frame, index: [("person", 0.9, 0.1, 0.1, 0.4, 0.8)]) as server:
        yield server


@pytest.mark.parametrize("change", ["online", "type"])
async def test_another_network_makes_a_new_link_before_the_old_one_ends(
    standin: Standin, camera: Path, change: str
) -> None:
    async with opened(standin.url, camera, scripts=[CELLULAR]) as page:
        await page.open(autostart=1, slo=5000, label="porch")
        await page.until("edge.counts.in_time > 3")
        standin.silent = True  # so that the new link gets no answer yet
        await page.page.evaluate(ONLINE if change == "online" else "() => becomeCellular()")
        old, new = await standin.until(lambda: standin.guests if len(standin.guests) == 2 else None)
        assert new.query == {"slo_ms": "5000", "label": "porch", "replaces": old.id}
        await standin.until(lambda: len(new.frames) > 2)
        begun = len(old.frames)
        await standin.until(lambda: len(old.frames) > begun + 2)  # it goes on meanwhile
        assert await page.page.evaluate("() => window.__edge.state") == "live"
        assert not old.replaced
        standin.silent = False
        await standin.until(lambda: old.replaced)
        before = (await page.snapshot())["counts"]["in_time"]
        await page.until(f"edge.state === 'live' && edge.counts.in_time > {before + 10}")
        snapshot = await page.snapshot()
        assert snapshot["session"] == new.id
        assert (snapshot["replacements"], snapshot["reconnects"]) == (1, 0)
        assert adds_up(snapshot["counts"])
        assert not old.ended  # by the server, so the page has nothing to end
        assert len(standin.guests) == 2
        counts = (await page.page.evaluate("() => window.__edge.finish()"))["counts"]
        assert counts["pending"] == 0
        assert adds_up(counts)


async def test_a_path_that_dies_is_replaced(standin: Standin, camera: Path) -> None:
    async with opened(standin.url, camera, complaints=True) as page:
        await page.open(autostart=1, slo=5000)
        await page.until("edge.counts.in_time > 3")
        old = standin.guest
        standin.cut(old)
        new = await standin.until(lambda: standin.guest if standin.guest is not old else None)
        assert new.query["replaces"] == old.id
        before = (await page.snapshot())["counts"]["in_time"]
        await page.until(f"edge.state === 'live' && edge.counts.in_time > {before + 5}")
        await standin.until(lambda: old.replaced)
        assert not old.ended
        assert adds_up((await page.snapshot())["counts"])


async def test_the_old_link_stays_where_the_new_one_is_refused(
    standin: Standin, camera: Path
) -> None:
    async with opened(standin.url, camera, complaints=True) as page:
        await page.open(autostart=1, slo=5000)
        await page.until("edge.counts.in_time > 3")
        standin.full_for = 1
        await page.page.evaluate(ONLINE)
        await page.page.wait_for_function("() => window.__edge.snapshot().refusals === 1")
        before = (await page.snapshot())["counts"]["in_time"]
        await page.until(f"edge.state === 'live' && edge.counts.in_time > {before + 5}")
        assert (await page.snapshot())["replacements"] == 0
        assert [guest.ended for guest in standin.guests] == [False]


async def test_stopping_leaves_no_session_that_was_to_be_replaced(
    standin: Standin, camera: Path
) -> None:
    async with opened(standin.url, camera, complaints=True) as page:
        await page.open(autostart=1, slo=5000)
        await page.until("edge.counts.in_time > 3")
        standin.silent = True
        await page.page.evaluate(ONLINE)
        await standin.until(lambda: len(standin.guests) == 2 and standin.guest.frames)
        await page.page.get_by_role("button", name="Stop").click()
        await standin.until(lambda: all(guest.ended for guest in standin.guests))


async def test_a_lost_session_that_is_not_taken_up_again_is_ended(
    standin: Standin, camera: Path
) -> None:
    async with opened(standin.url, camera, complaints=True) as page:
        await page.open(autostart=1, slo=5000)
        await page.until("edge.counts.in_time > 3")
        old = standin.guest
        standin.full_for = 1000
        standin.retry_after = "600"
        standin.mute = True  # the link is given up, and the next one refused
        await page.until("edge.state === 'reconnecting' && edge.problem.code === 'full'")
        assert not old.ended  # it may still be replaced
        await page.page.get_by_role("button", name="Stop").click()
        await standin.until(lambda: old.ended)


async def test_a_path_that_was_only_silent_for_a_moment_is_kept(
    standin: Standin, camera: Path
) -> None:
    async with opened(standin.url, camera) as page:
        await page.open(autostart=1, slo=5000)
        await page.until("edge.counts.in_time > 3")
        standin.silent = standin.mute = True
        old, new = await standin.until(lambda: standin.guests if len(standin.guests) == 2 else None)
        standin.mute = False  # the old one's pings are answered, and no frame of the new one
        await standin.until(lambda: new.ended)
        standin.silent = False
        before = (await page.snapshot())["counts"]["in_time"]
        await page.until(f"edge.state === 'live' && edge.counts.in_time > {before + 5}")
        snapshot = await page.snapshot()
        assert (snapshot["replacements"], snapshot["reconnects"]) == (0, 0)
        assert not old.ended
        assert not old.replaced


async def test_a_session_that_the_server_has_no_more_is_begun_anew(
    standin: Standin, camera: Path
) -> None:
    async with opened(standin.url, camera, complaints=True) as page:
        await page.open(autostart=1, slo=5000, label="porch")
        await page.until("edge.counts.in_time > 3")
        old = standin.guest
        old.ended = standin.mute = True  # as after a restart
        new = await standin.until(lambda: standin.guest if standin.guest is not old else None)
        standin.mute = False
        assert new.query == {"slo_ms": "5000", "label": "porch"}
        before = (await page.snapshot())["counts"]["in_time"]
        await page.until(f"edge.state === 'live' && edge.counts.in_time > {before + 5}")
