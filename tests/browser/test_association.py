"""Boxes belong to the very picture they are drawn over."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from edge.rtc.peer_connection import DecodedFrame

from .cameras import READ_BARCODE, numbered
from .pages import SESSION_LOOP, Watched, adds_up, opened
from .standin import Box, serving

pytestmark = [pytest.mark.browser, SESSION_LOOP]

# Collects, for each drawn answer, the number in the picture on the canvas and the one its box has.
COLLECT = f"""
() => {{
  const read = {READ_BARCODE};
  const canvas = document.getElementById("canvas");
  window.drawn = [];
  window.addEventListener("edge:drawn", ({{ detail }}) => {{
    const box = detail.boxes[0];
    window.drawn.push([read(canvas, detail.mirrored), Math.round(box[2] * 512), detail.mirrored]);
  }});
}}
"""

# What browsers may lack, each taken away before the page loads.
WITHOUT = {
    "everything there": "",
    "no track processor": "delete globalThis.MediaStreamTrackProcessor;",
    "no frame callbacks": "delete globalThis.MediaStreamTrackProcessor;"
    " delete HTMLVideoElement.prototype.requestVideoFrameCallback;",
    "no encoded transform": "delete globalThis.RTCRtpScriptTransform;",
    "neither": "delete globalThis.MediaStreamTrackProcessor;"
    " delete globalThis.RTCRtpScriptTransform;",
    "no scaling to a size": """
      const set = RTCRtpSender.prototype.setParameters;
      RTCRtpSender.prototype.setParameters = function (parameters) {
        for (const encoding of parameters.encodings) delete encoding.scaleResolutionDownTo;
        return set.call(this, parameters);
      };""",
}


def box_that_tells_the_index(frame: DecodedFrame, index: int) -> list[Box]:
    return [("person", 0.9, index / 512, 0.2, index / 512 + 0.2, 0.6)]


async def drawn(watched: Watched, n: int) -> list[tuple[int, int, bool]]:
    await watched.page.evaluate(COLLECT)
    await watched.page.wait_for_function(f"() => window.drawn.length >= {n}", timeout=60_000)
    return [tuple(pair) for pair in await watched.page.evaluate("() => window.drawn")]


def uneven_delay_ms(index: int) -> float:
    """Answers overtake each other."""
    return (0.0, 90.0, 15.0, 200.0, 40.0)[index % 5]


@pytest.mark.parametrize("lacking", WITHOUT)
async def test_each_box_is_drawn_over_its_own_picture(lacking: str) -> None:
    camera = numbered(height=480)
    async with (
        serving(boxes=box_that_tells_the_index) as standin,
        opened(standin.url, camera, scripts=[WITHOUT[lacking]]) as page,
    ):
        await page.open(autostart=1, slo=5000)
        await page.until("edge.counts.in_time > 8")
        pairs = await drawn(page, 30)
        assert adds_up((await page.snapshot())["counts"])
    wrong = [pair for pair in pairs if pair[0] != pair[1]]
    assert not wrong


@pytest.mark.parametrize("fps", [10, 30])
async def test_it_holds_at_other_rates_and_with_answers_out_of_order(
    fps: int,
) -> None:
    camera = numbered(height=480, fps=fps)
    async with (
        serving(boxes=box_that_tells_the_index, delay_ms=uneven_delay_ms) as standin,
        opened(standin.url, camera) as page,
    ):
        await page.open(autostart=1, slo=5000, fps=fps)
        await page.until("edge.counts.in_time > 8")
        pairs = await drawn(page, 30)
    assert not [pair for pair in pairs if pair[0] != pair[1]]


async def test_it_holds_from_the_first_boxes_on() -> None:
    camera = numbered(height=480)
    async with (
        serving(boxes=box_that_tells_the_index) as standin,
        opened(standin.url, camera) as page,
    ):
        await page.open()
        await page.page.evaluate(COLLECT)
        await page.page.click("#welcome-camera")
        await page.page.wait_for_function("() => window.drawn.length >= 20", timeout=60_000)
        pairs = await page.page.evaluate("() => window.drawn")
    assert not [pair for pair in pairs if pair[0] != pair[1]]


async def test_it_holds_while_the_sent_size_changes() -> None:
    camera = numbered(height=480)
    async with (
        serving(boxes=box_that_tells_the_index) as standin,
        opened(standin.url, camera) as page,
    ):

        def came(long_side: int) -> bool:
            return standin.guest.frames[-1].width == long_side

        await page.open(autostart=1, slo=5000)
        await page.until("edge.counts.in_time > 8")
        await page.page.evaluate(COLLECT)
        for seq, long_side in enumerate((320, 512, 416), 1):
            standin.guest.say("hint", seq=seq, max_edge=long_side, fps=15, max_bps=900_000)
            await standin.until(partial(came, long_side))
        await page.page.wait_for_function("() => window.drawn.length >= 25", timeout=60_000)
        pairs = await page.page.evaluate("() => window.drawn")
    assert not [pair for pair in pairs if pair[0] != pair[1]]


async def test_a_picture_off_by_one_would_be_caught() -> None:
    """The check above can fail: hand out the picture before the right one, and all are wrong."""
    camera = numbered(height=480)

    async def unbundled(route: Any) -> None:
        await route.fulfill(
            content_type="text/javascript", body="export * from './js/client/index.js';"
        )

    async def shifted(route: Any) -> None:
        response = await route.fetch()
        text = await response.text()
        right = "return found;"
        assert right in text
        text = text.replace(right, "return this.pictures[this.pictures.indexOf(found) - 1];")
        await route.fulfill(response=response, body=text)

    async with (
        serving(boxes=box_that_tells_the_index) as standin,
        opened(standin.url, camera) as page,
    ):
        await page.page.route("**/edge-client.js", unbundled)
        await page.page.route("**/picture-ring.js", shifted)
        await page.open(autostart=1, slo=5000)
        await page.until("edge.counts.in_time > 8")
        pairs = await drawn(page, 20)
    assert all(shown != told for shown, told, _ in pairs), json.dumps(pairs)


async def test_a_front_camera_is_mirrored_with_its_boxes() -> None:
    camera = numbered(height=480)
    front = """
      const settings = MediaStreamTrack.prototype.getSettings;
      MediaStreamTrack.prototype.getSettings = function () {
        return { ...settings.call(this), facingMode: "user" };
      };"""
    box = ("person", 0.9, 0.5, 0.3, 0.9, 0.7)  # right of the middle; mirrored: left
    # A box's stroke is bright and coloured, the picture there is grey.
    coloured = """
      ({ x, y }) => {
        const canvas = document.getElementById("canvas");
        const at = [Math.round(x * canvas.width), Math.round(y * canvas.height)];
        const [r, g, b] = canvas.getContext("2d").getImageData(...at, 1, 1).data;
        return Math.max(r, g, b) - Math.min(r, g, b) > 60;
      }"""
    async with (
        serving(boxes=lambda frame, index: [box]) as standin,
        opened(standin.url, camera, scripts=[front]) as page,
    ):
        await page.open(autostart=1, slo=5000)
        await page.until("edge.counts.in_time > 8")
        pairs = await drawn(page, 5)
        left = await page.page.evaluate(coloured, {"x": 0.1, "y": 0.5})
        right = await page.page.evaluate(coloured, {"x": 0.9, "y": 0.5})
    assert all(mirrored and index >= 0 for index, _, mirrored in pairs)
    assert (left, right) == (True, False)


async def test_without_answers_the_live_picture_is_shown() -> None:
    camera = numbered(height=480)
    async with serving(silent=True) as standin, opened(standin.url, camera) as page:
        await page.open(autostart=1, slo=100)
        await page.until("edge.counts.dropped.lost > 10")
        seen = set()
        for _ in range(3):
            read = f"() => ({READ_BARCODE})(document.getElementById('canvas'), false)"
            seen.add(await page.page.evaluate(read))
            count = (await page.snapshot())["counts"]["captured"]
            await page.until(f"edge.counts.captured > {count + 3}")
        assert len(seen - {-1}) >= 2
        assert adds_up((await page.snapshot())["counts"])
