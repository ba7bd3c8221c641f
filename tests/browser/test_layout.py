"""The page on the screens it is made for: nothing overflows, overlaps or hides, held either way."""

from __future__ import annotations

from typing import Any

import pytest

from edge.rtc.peer_connection import DecodedFrame

from .cameras import numbered
from .pages import SESSION_LOOP, Watched, opened
from .standin import Box, serving

pytestmark = [pytest.mark.browser, SESSION_LOOP]

PHONE = {"is_mobile": True, "has_touch": True, "device_scale_factor": 3}
SCREENS: dict[str, dict[str, Any]] = {
    "phone, upright": {"viewport": {"width": 390, "height": 844}, **PHONE},
    "phone, on its side": {"viewport": {"width": 844, "height": 390}, **PHONE},
    "small phone, upright": {"viewport": {"width": 320, "height": 568}, **PHONE},
    "small phone, on its side": {"viewport": {"width": 568, "height": 320}, **PHONE},
    "tablet": {"viewport": {"width": 820, "height": 1180}, "has_touch": True},
    "desk": {"viewport": {"width": 1280, "height": 800}},
}
TARGET_PX = 36  # the least a thumb can hit; the main controls are larger


async def probe(watched: Watched, name: str, argument: Any = None) -> Any:
    """Ask one of modules/probe.js."""
    script = "async ([name, argument]) => (await import('/modules/probe.js'))[name](argument)"
    return await watched.page.evaluate(script, [name, argument])


async def fits(watched: Watched, shape: float) -> None:
    """The canvas is the picture's rectangle, as large as the stage allows, in its middle."""
    geometry = await probe(watched, "geometry")
    (left, top, width, height), (stage_width, stage_height) = geometry["canvas"], geometry["stage"]
    assert width / height == pytest.approx(shape, rel=0.01)
    assert min(stage_width - width, stage_height - height) == pytest.approx(0, abs=1)
    assert left * 2 + width == pytest.approx(stage_width, abs=1)
    assert top * 2 + height == pytest.approx(stage_height, abs=1)


def boxes(frame: DecodedFrame, index: int) -> list[Box]:
    return [
        ("person", 0.93, 0.06, 0.2, 0.3, 0.9),
        ("traffic light", 0.71, 0.9, 0.0, 1.0, 0.3),
        ("car", 0.55, 0.4, 0.5, 0.8, 0.95),
    ]


@pytest.mark.parametrize("screen", SCREENS)
async def test_nothing_overflows_on_any_screen(screen: str) -> None:
    camera = numbered()
    async with (
        serving(boxes=boxes) as standin,
        opened(standin.url, camera, **SCREENS[screen]) as watched,
    ):
        standin.settings["ca"] = "/ca.crt"
        long = "a-model-with-a-name-that-is-longer-than-any-phone-is-wide-at-608-px"
        standin.settings["models"] += [{"name": long, "label": long, "score_threshold": 0.1}]
        page = watched.page
        await watched.open(slo=5000)
        await page.locator("#welcome").wait_for()
        assert await probe(watched, "faults", TARGET_PX) == []
        await page.click("#welcome-camera")
        await watched.until("edge.counts.in_time > 3")
        standin.guest.say(
            "hint",
            seq=1,
            max_edge=608,
            fps=15,
            max_bps=1_200_000,
            variant="yolov4-tiny-608",
            reason="largest size and bitrate that the link and the worker allow within 250 ms",
        )
        standin.guest.say("stats", link_bps=6_200_000.0, variant="yolov4-tiny-608")
        await watched.until("edge.snapshot().sender?.fps > 0 && edge.hint && edge.latency.n > 8")
        assert await probe(watched, "faults", TARGET_PX) == []
        if await page.locator("#more").is_visible():
            await page.click("#more")
            assert await page.get_attribute("#more", "aria-expanded") == "true"
        await page.locator("#details").wait_for()
        assert await probe(watched, "faults", TARGET_PX) == []
        drawn = (await watched.snapshot())["drawn"]
        await watched.until(f"edge.snapshot().drawn > {drawn + 2}")
        await fits(watched, 640 / 360)


async def test_turning_the_phone_keeps_session_and_picture() -> None:
    camera = numbered(width=360, height=640)
    async with (
        serving(boxes=boxes) as standin,
        opened(standin.url, camera, **SCREENS["phone, upright"]) as watched,
    ):
        await watched.open(autostart=1, slo=5000)
        await watched.until("edge.snapshot().drawn > 3")
        await fits(watched, 360 / 640)
        await watched.page.set_viewport_size({"width": 844, "height": 390})
        drawn = (await watched.snapshot())["drawn"]
        await watched.until(f"edge.snapshot().drawn > {drawn + 5}")
        await fits(watched, 360 / 640)
        assert await probe(watched, "faults", TARGET_PX) == []
        assert len(standin.guests) == 1


async def test_it_can_be_used_by_keyboard_alone_and_be_heard() -> None:
    camera = numbered()
    async with serving(boxes=boxes) as standin, opened(standin.url, camera) as watched:
        page = watched.page
        await watched.open(slo=5000)
        assert await probe(watched, "unnamed") == []
        await page.keyboard.press("Tab")
        focused = "() => document.activeElement.id"
        assert await page.evaluate(focused) == "welcome-camera"
        ring = "() => getComputedStyle(document.activeElement).outlineStyle"
        assert await page.evaluate(ring) == "solid"
        await page.keyboard.press("Enter")
        await watched.until("edge.state === 'live'")
        assert await page.get_by_role("status").inner_text() == "Live"
        for _ in range(12):
            if await page.evaluate(focused) == "toggle":
                break
            await page.keyboard.press("Tab")
        await page.keyboard.press("Space")
        await watched.until("edge.state === 'idle'")
        assert await page.get_by_role("status").inner_text() == "Ready"


async def test_texts_have_contrast() -> None:
    async with serving() as standin, opened(standin.url) as watched:
        await watched.open(slo=5000)
        assert await probe(watched, "poorContrast") == []
        await watched.page.click("#welcome-sample")
        await watched.until("edge.state === 'live'")
        assert await probe(watched, "poorContrast") == []
