"""`edge-client.js` as a page of somebody else uses it: what each call and option does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Page

from .cameras import READ_BARCODE, numbered
from .pages import SESSION_LOOP, adds_up, opened
from .standin import Box, Standin, serving

pytestmark = [pytest.mark.browser, SESSION_LOOP]

# A page with nothing but a canvas, laid out by its own style.
CONNECT = f"""
async (options) => {{
  const {{ connect }} = await import("/static/edge-client.js");
  const read = {READ_BARCODE};
  const canvas = document.createElement("canvas");
  canvas.style.width = "320px";
  document.body.append(canvas);
  const stream = await navigator.mediaDevices.getUserMedia({{ video: true }});
  const seen = {{ stream, states: [], errors: [], settings: [], detections: [], drawn: [] }};
  window.seen = seen;
  window.session = connect({{
    url: "/", iceServers: [], stream, sloMs: 500, label: "gate", ...options,
    onState: (state, problem) => seen.states.push(state + (problem ? `: ${{problem.code}}` : "")),
    onError: (problem) => seen.errors.push(problem.code),
    onSettings: (settings) => seen.settings.push(settings),
    onDetections: (detections) => seen.detections.push(detections),
  }});
  window.session.drawOn(canvas, {{
    onDrawn: ({{ boxes }}) => seen.drawn.push([read(canvas, false), Math.round(boxes[0][2] * 512)]),
  }});
}}
"""


def boxes(frame: Any, index: int) -> list[Box]:
    """Of two classes; the first one's left edge tells the frame's number."""
    return [
        ("person", 0.9, index / 512, 0.2, index / 512 + 0.2, 0.6),
        (2, 0.5, 0.1, 0.1, 0.2, 0.2),  # a car, by its number
    ]


@asynccontextmanager
async def connected(standin: Standin, options: dict[str, Any] | None = None) -> AsyncIterator[Page]:
    camera = numbered(height=480)
    async with opened(standin.url, camera, complaints=True) as watched:
        await watched.page.goto(f"{standin.url}blank")
        await watched.page.evaluate(CONNECT, options or {})
        await until(watched.page, "seen.detections.length > 5")
        yield watched.page


async def until(page: Page, condition: str) -> None:
    await page.wait_for_function(f"() => {condition}", timeout=60_000)


async def test_boxes_are_tied_to_their_frames_on_any_canvas() -> None:
    async with (
        serving(boxes=boxes) as standin,
        connected(standin) as page,
    ):
        await until(page, "seen.drawn.length >= 30")
        drawn = await page.evaluate("() => seen.drawn")
        assert not [pair for pair in drawn if pair[0] != pair[1]]
        size = "() => { const c = document.querySelector('canvas'); return [c.width, c.height]; }"
        assert await page.evaluate(size) == [640, 480]
        detections = await page.evaluate("() => seen.detections.at(-1)")
        assert [box["class"] for box in detections["boxes"]] == ["person", "car"]
        assert 0 < detections["latencyMs"] < 60_000
        assert await page.evaluate("() => seen.states") == ["live"]
        await page.evaluate("() => session.finish()")
        stats = await page.evaluate("() => session.stats()")
        assert adds_up(stats["counts"])
        assert stats["counts"]["pending"] == 0
        assert stats["drawn"] >= 30
        await standin.until(lambda: standin.guest.ended)
        # The track is the page's own.
        assert await page.evaluate("() => seen.stream.getTracks()[0].readyState") == "live"


async def test_options_go_to_the_server_and_classes_stay() -> None:
    options = {"classes": ["car"], "minScore": 0.3, "model": "tiny", "sloMs": 400, "fps": 12}
    async with (
        serving(boxes=boxes) as standin,
        connected(standin, options) as page,
    ):
        assert standin.guest.query == {
            "slo_ms": "400",
            "label": "gate",
            "model": "tiny",
            "min_score": "0.3",
        }
        [hello] = standin.guest.said("hello")
        assert (hello["slo_ms"], hello["fps"], hello["min_score"]) == (400, 12, 0.3)
        found = "seen.detections.at(-1).boxes.map((box) => box.class).join()"
        await until(page, f"{found} === 'car'")
        await page.evaluate(
            "() => session.update({ classes: null, minScore: 0.4, sloMs: 300, fps: 10 })"
        )
        await until(page, f"{found} === 'person,car'")
        await standin.until(lambda: standin.guest.said("hello")[-1]["fps"] == 10)
        hello = standin.guest.said("hello")[-1]
        assert (hello["slo_ms"], hello["min_score"]) == (300, 0.4)
        await page.evaluate("() => session.update({ model: 'other' })")
        await standin.until(lambda: len(standin.guests) == 2 and standin.guests[0].replaced)
        assert standin.guest.query["replaces"] == "s0"
        assert standin.guest.query["model"] == "other"
        await until(page, "session.stats().replacements === 1 && session.state === 'live'")


async def test_a_lost_connection_is_replaced_and_a_paused_one_begun_anew() -> None:
    async with (
        serving(boxes=boxes) as standin,
        connected(standin) as page,
    ):
        standin.cut(standin.guest)
        await until(page, "session.state === 'live' && session.stats().replacements > 0")
        assert standin.guest.query["replaces"] == "s0"
        assert not await page.evaluate("() => seen.states.includes('reconnecting: link_lost')")
        standin.guest.ended = standin.mute = True  # as after a restart of the server
        await until(page, "seen.states.includes('reconnecting: link_lost')")
        standin.mute = False
        await until(page, "session.state === 'live' && session.stats().reconnects > 0")
        assert "replaces" not in standin.guest.query
        await page.evaluate("() => session.pause()")
        guest = standin.guest
        await standin.until(lambda: guest.ended)
        before = await page.evaluate("() => session.stats().counts.captured")
        # What is to be sent later may be told now.
        await page.evaluate("() => session.update({ stream: seen.stream, minScore: 0.5 })")
        assert await page.evaluate("() => session.state") == "paused"
        await page.evaluate("() => session.resume()")
        await until(page, f"session.state === 'live' && session.stats().counts.in_time > {before}")
        assert "replaces" not in standin.guest.query
        assert standin.guest.query["min_score"] == "0.5"
        await page.evaluate("() => session.close()")
        assert (await page.evaluate("() => seen.states"))[-1] == "closed"


async def test_a_track_that_ends_and_one_that_is_exchanged() -> None:
    async with (
        serving(boxes=boxes) as standin,
        connected(standin) as page,
    ):
        await page.evaluate(
            """async () => {
              const canvas = document.createElement("canvas");
              [canvas.width, canvas.height] = [320, 240];
              const context = canvas.getContext("2d");
              setInterval(() => context.fillRect(0, 0, 320, 240), 50);
              window.other = canvas.captureStream(15);
              await session.update({ stream: window.other });
            }"""
        )
        await standin.until(lambda: standin.guest.frames[-1].width <= 320)
        assert len(standin.guests) == 1
        await page.evaluate("() => other.getTracks()[0].dispatchEvent(new Event('ended'))")
        await until(page, "session.state === 'closed'")
        assert await page.evaluate("() => seen.errors") == ["track_ended"]


BAD_OPTIONS = {
    "{}": "`url`: the server's address",
    "{ url: 'http://[' }": "`url`: the server's address, not http://[",
    "{ url: '/' }": "a video track is needed",
    "{ url: '/', slo: 100 }": "`slo`: one of sloMs",
    "{ url: '/', sloMs: '100' }": "`sloMs`: a number above 0",
    "{ url: '/', minScore: 2 }": "`minScore`: from 0 to 1",
    "{ url: '/', classes: 'person' }": "`classes`: a list of names",
    "{ url: '/', onState: 1 }": "`onState`: a function",
    "{ url: '/', token: 1 }": "`token`: a text",
}


async def test_a_bad_option_is_named() -> None:
    async with serving() as standin, opened(standin.url, complaints=True) as watched:
        await watched.page.goto(f"{standin.url}blank")
        for options, words in BAD_OPTIONS.items():
            said = await watched.page.evaluate(
                f"""async () => {{
                  const {{ connect }} = await import("/static/edge-client.js");
                  try {{ connect({options}); return ""; }} catch (error) {{ return String(error); }}
                }}"""
            )
            assert said.startswith("TypeError"), options
            assert words in said
