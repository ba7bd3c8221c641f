"""`python -m netem scene`: the admin page's pictures of zones, capacity and what is kept.

A real server with a real detector on the processor, light publishers of a real video over the
loopback, and a real browser on the admin page.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import cv2
import numpy as np
from playwright.async_api import Error as BrowserError
from playwright.async_api import FloatRect, Page

from edge.assets.browser import BrowserMissingError, chromium
from edge.client.whip_client import PublishError
from netem.fleet_demo import FleetError, compressed_png, edge_server
from netem.footage.encoded_clip import EncodedClip
from netem.publisher.publisher import publishing

ABOUT = """Serves a camera with a zone and a line, on this machine's processor, and saves pictures
of the admin page: admin-zones.png (the zone and the line over the last picture, and what they
counted), admin-room.png (how many more sessions fit), admin-ended.png (sessions that have ended).
Needs Chromium and the detector's weights."""
OUT = Path("out/scene")
FPS = 10
SLO_MS = 400.0
GATE = "gate"
MARGIN = 16.0  # CSS pixels
_WAIT_S = 90.0
_VISIT_S = 6.0  # of each session that has ended
SETTINGS = {
    "EDGE_ADMIN_PICTURES": "true",
    "EDGE_ZONES": json.dumps(
        [
            {
                "name": "square",
                "label": GATE,
                "polygon": [[0.05, 0.35], [0.6, 0.35], [0.75, 0.97], [0.05, 0.97]],
            }
        ]
    ),
    "EDGE_LINES": json.dumps(
        [{"name": "passage", "label": GATE, "start": [0.45, 1.0], "end": [0.45, 0.22]}]
    ),
}
_EVENTS = """() => [...document.querySelectorAll('#place-rows tr')]
    .some((row) => row.textContent.includes('passage') && /[1-9]/.test(row.textContent))"""


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--video", type=Path, metavar="FILE", help="default: the sample clip")
    parser.add_argument(
        "--out",
        type=Path,
        default=OUT,
        metavar="DIR",
        help=f"for the pictures, which are overwritten (default {OUT})",
    )
    parser.add_argument("--scheme", choices=("dark", "light"), default="dark", help="default dark")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0, or 1 if a step failed."""
    try:
        clip = EncodedClip(options.video, FPS, progress=_report)
        clip.prepare()
        with (
            tempfile.TemporaryDirectory(prefix="edge-scene-") as data,
            edge_server("--device", "cpu", EDGE_DATA=data, **SETTINGS) as port,
        ):
            asyncio.run(_show(options, f"http://localhost:{port}", clip))
    except (FleetError, BrowserMissingError, BrowserError, PublishError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


async def _show(options: argparse.Namespace, url: str, clip: EncodedClip) -> None:
    options.out.mkdir(parents=True, exist_ok=True)
    for label in ("dock", "yard"):  # these will have ended
        async with publishing(url, clip, slo_ms=SLO_MS, label=label):
            await asyncio.sleep(_VISIT_S)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(publishing(url, clip, slo_ms=SLO_MS, label=GATE))
        browser = await stack.enter_async_context(
            chromium(
                color_scheme=options.scheme,
                viewport={"width": 1000, "height": 800},
                reduced_motion="reduce",
            )
        )
        page = browser.pages[0]
        page.set_default_timeout(1000.0 * _WAIT_S)
        await page.goto(f"{url}/admin")
        row = page.locator("tr[data-session]", has_text=GATE)
        await row.wait_for()
        await page.locator("#ended-rows tr", has_text="dock").wait_for()
        await page.wait_for_function("() => window.__admin.fleet.t.length > 20")
        await _save(page, options.out / "admin-room.png", "section.tiles")
        ended = "section[aria-labelledby=ended-title]"
        await _save(page, options.out / "admin-ended.png", ended)
        await row.get_by_role("link").click()
        await page.locator("#picture-text", has_text="box").wait_for()
        await page.wait_for_function(_EVENTS)
        zones = ("#places-section", "#picture-section")
        await _save(page, options.out / "admin-zones.png", *zones, photograph=True)


async def _save(page: Page, path: Path, *selectors: str, photograph: bool = False) -> None:
    """The part of the page that these elements span, with a margin about it."""
    boxes = [await page.locator(each).bounding_box() for each in selectors]
    clip = framed([(each["x"], each["y"], each["width"], each["height"]) for each in boxes if each])
    png = await page.screenshot(full_page=True, clip=clip)
    path.write_bytes(compressed_png(fewer_colours(png) if photograph else png))
    _report(f"picture: {path}")


def framed(boxes: Sequence[tuple[float, float, float, float]]) -> FloatRect:
    """The rectangle about boxes (x, y, width, height), in CSS pixels, with a margin in the page."""
    left = max(0.0, min(x for x, _, _, _ in boxes) - MARGIN)
    top = max(0.0, min(y for _, y, _, _ in boxes) - MARGIN)
    right = max(x + width for x, _, width, _ in boxes) + MARGIN
    bottom = max(y + height for _, y, _, height in boxes) + MARGIN
    return {"x": left, "y": top, "width": right - left, "height": bottom - top}


def fewer_colours(png: bytes) -> bytes:
    """The image with 32 levels a channel: a video's picture compresses to less than half."""
    decoded = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None  # a browser's own PNG
    image = np.asarray(decoded, np.uint8)
    return bytes(cv2.imencode(".png", (image & 0xF8) | (image >> 5))[1])


def _report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
