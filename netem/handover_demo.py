"""`python -m netem handover`: a phone that changes its network, again and again.

A real server with a simulated detector, real Chromium in a namespace with two interfaces. The one
that is in use goes down; measured is how long no answer comes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

from playwright.async_api import Error as BrowserError
from playwright.async_api import Page

from edge.assets.browser import BrowserMissingError
from netem.fleet_demo import GPU, FleetError, edge_server
from netem.footage.camera_file import CameraFile, Footage, camera, sample_video
from netem.links.emulated_link import EmulatedLink
from netem.links.namespace import LinkError, missing
from netem.links.namespaced_browser import chromium_behind
from netem.units import count
from traces.trace import constant

ABOUT = """Takes down, as often as asked, the interface of the two that a phone uses, and reports
for how long no boxes came. Needs root and Chromium."""
FPS = 15
RATE_BPS = 20e6
_SETTLED_MS = 6000.0  # before the next change; the page does not replace its link more often
_WAIT_S = 90.0
_LOOK_S = 0.5
# Notes when each answer comes, on whichever of the page's links.
_WATCH = """
  window.__answers = [];
  const create = RTCPeerConnection.prototype.createDataChannel;
  RTCPeerConnection.prototype.createDataChannel = function (...given) {
    const channel = create.apply(this, given);
    channel.addEventListener("message", ({ data }) => {
      if (String(data).includes('"detections"'))
        window.__answers.push(performance.timeOrigin + performance.now());
    });
    return channel;
  };"""
# The longest time without an answer from `sinceMs` on, once answers have come for `calmMs` again.
_OUTAGE = """([sinceMs, calmMs]) => {
  const times = window.__answers.filter((ms) => ms > sinceMs - 500);
  let [longest, endMs] = [0, 0];
  for (let i = 1; i < times.length; i += 1) {
    if (times[i] - times[i - 1] > longest) [longest, endMs] = [times[i] - times[i - 1], times[i]];
  }
  const nowMs = performance.timeOrigin + performance.now();
  const calm = endMs > sinceMs && nowMs - endMs > calmMs && nowMs - times.at(-1) < 500;
  return calm ? longest : null;
}"""


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--times", type=count, default=20, help="changes (default 20)")
    parser.add_argument("--video", type=Path, metavar="FILE", help="default: the sample clip")
    parser.add_argument(
        "--delay-ms", type=float, default=25.0, help="of each link, one way (default 25)"
    )
    parser.add_argument("--slo-ms", type=float, default=250.0, help="default 250")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the outages, in ms")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0, or 1 if a step failed."""
    if lack := missing():
        print(f"error: {lack}", file=sys.stderr)
        return 1
    try:
        with edge_server("--device", f"sim:{GPU}") as port, ExitStack() as stack:
            links: list[EmulatedLink] = []
            for _ in range(2):
                first = links[0] if links else None
                link = EmulatedLink(
                    constant(RATE_BPS), delay_ms=options.delay_ms, default_route=True, beside=first
                )
                links.append(stack.enter_context(link))
            outages_ms = asyncio.run(_measure(options, port, links))
    except (FleetError, BrowserMissingError, BrowserError, LinkError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(
        f"{len(outages_ms)} changes: no boxes for p50 {statistics.median(outages_ms):.0f} ms,"
        f" at most {max(outages_ms):.0f} ms"
    )
    if options.json:
        options.json.write_text(json.dumps(outages_ms))
    return 0


async def _measure(
    options: argparse.Namespace, port: int, links: Sequence[EmulatedLink]
) -> list[float]:
    outages_ms: list[float] = []
    address = f"http://{links[0].outside_address}:{port}"
    footage = Footage(options.video or sample_video("street"), FPS)
    with tempfile.TemporaryDirectory(prefix="edge-handover-") as name:
        film = await asyncio.to_thread(camera, footage, 0, Path(name))
        async with _page(film, links[0], address, Path(name)) as page:
            await page.goto(f"{address}/?{urlencode(_query(options))}")
            for number in range(options.times):
                await _calm(page, await _now_ms(page))
                used = links[number % 2]
                since_ms = await _now_ms(page)
                await asyncio.to_thread(used.take_down)
                outages_ms.append(await _calm(page, since_ms))
                print(f"{number + 1}: {outages_ms[-1]:.0f} ms", file=sys.stderr, flush=True)
                await asyncio.to_thread(used.bring_up)
    return outages_ms


def _query(options: argparse.Namespace) -> dict[str, object]:
    return {"autostart": 1, "source": "camera", "slo": f"{options.slo_ms:g}", "fps": FPS}


@asynccontextmanager
async def _page(
    film: CameraFile, link: EmulatedLink, address: str, folder: Path
) -> AsyncIterator[Page]:
    """A browser in the link's namespace."""
    async with chromium_behind(link, film.path, address, folder) as browser:
        page = browser.pages[0]
        page.set_default_timeout(1000.0 * _WAIT_S)
        await page.add_init_script(_WATCH)
        yield page


async def _now_ms(page: Page) -> float:
    return float(await page.evaluate("performance.timeOrigin + performance.now()"))


async def _calm(page: Page, since_ms: float) -> float:
    """The longest time without an answer since then, once answers come steadily again; ms."""
    async with asyncio.timeout(_WAIT_S):
        # By separate calls: the page's own timers are not disturbed between them.
        while (found := await page.evaluate(_OUTAGE, [since_ms, _SETTLED_MS])) is None:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)
    return float(found)
