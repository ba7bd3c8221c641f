"""Real Chromium with a camera, behind a link, and the page that it publishes from."""

from __future__ import annotations

import asyncio
import math
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.bench.rate.figures import FrameTiming, with_unsent
from analysis.bench.rate.receivers import Site
from edge.assets import samples
from edge.assets.browser import chromium, chromium_path
from edge.assets.store import cache_dir
from edge.clock import now_ms
from edge.ipc.picture import Picture

if TYPE_CHECKING:
    from netem.links.emulated_link import EmulatedLink

_SHOT_S = (3.1, 5.4)  # of the street video, between two cuts
_SETTLE_S = 2.0  # the first key frame is not what the quality is judged by
_GUARD_S = 3.0  # after the end, in which frames may still be on their way
_changing = threading.Lock()  # the kernel's links
_SECURE = "--unsafely-treat-insecure-origin-as-secure"


@asynccontextmanager
async def behind(
    link: EmulatedLink, cap_bps: float, fps: int, grain: float = 0.0
) -> AsyncIterator[tuple[Site, Any]]:
    """The link is made: the receivers' site at its outer end, its page in a browser inside."""
    async with made(link), publishing(link, cap_bps, fps, grain) as found:
        yield found


@asynccontextmanager
async def publishing(
    link: EmulatedLink, cap_bps: float, fps: int, grain: float = 0.0
) -> AsyncIterator[tuple[Site, Any]]:
    """A site and a browser with its page, at the two ends of a link that stands."""
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(Site(link.outside_address, cap_bps, fps))
        flags = [f"{_SECURE}={site.url.rstrip('/')}"]
        inside = stack.enter_context(_inside(link))
        browser = await stack.enter_async_context(
            chromium(_camera(fps, grain), flags=flags, executable=inside)
        )
        page = await browser.new_page()
        await page.goto(site.url)
        await page.wait_for_function("window.bench")
        yield site, page


@dataclass(frozen=True, slots=True)
class Played:
    """What came of one publication: `encoded` are frames' raw RTP timestamps, when they left the
    encoder, bytes; `received_ms` when those were there that came whole; `caps` when which was
    hinted; `edge` is the mean of the pictures' longest sides, in pixels."""

    fps: float
    encoded: list[tuple[int, float, int]]
    received_ms: dict[int, float]
    caps: list[tuple[float, float]]
    qp: float
    long_side: float

    def frames(self, origin_ms: float) -> list[FrameTiming]:
        """By the link's time, with those that were not sent."""
        sent = [
            FrameTiming(at_ms - origin_ms, 8.0 * size, self.received_ms.get(rtp, math.inf) - at_ms)
            for rtp, at_ms, size in self.encoded
        ]
        return with_unsent(sent, [rtp for rtp, _, _ in self.encoded], self.fps)


async def play(site: Site, page: Any, controller: str, first_bps: float, end_ms: float) -> Played:
    """The page publishes until then, `first_bps` at most until a hint says otherwise."""
    wishes = {"receiver": controller, "fps": site.fps, "firstBps": first_bps}
    await page.evaluate("(wishes) => bench.publish(wishes)", wishes)
    receiving = site.current
    assert receiving is not None
    await asyncio.sleep(_SETTLE_S)
    early = await page.evaluate("() => bench.stats()")
    await asyncio.sleep(max(0.0, end_ms - now_ms()) / 1000.0)  # the length of the measurement
    late = await page.evaluate("() => bench.stats()")
    await asyncio.sleep(_GUARD_S)
    report = await page.evaluate("() => bench.finish()")
    await receiving.close()
    encoded = [(rtp, at_ms + report["offset_ms"], size) for rtp, at_ms, size in report["encoded"]]
    received_ms = receiving.arrivals.received_ms({rtp for rtp, _, _ in encoded})
    encoded = [frame for frame in encoded if frame[1] <= end_ms]
    long_side = sum(report["edges"]) / max(1, len(report["edges"]))
    counted = max(1, late["framesEncoded"] - early["framesEncoded"])
    qp = (late["qpSum"] - early["qpSum"]) / counted
    return Played(site.fps, encoded, received_ms, receiving.caps, qp, long_side)


def _camera(fps: int, grain: float) -> Path:
    """One shot of the street, there and back: a camera has no cuts. Over its mirror image: twice
    the detail. `grain` is a sensor's: its standard deviation, of 255."""
    path = cache_dir() / f"street-shot-{fps}-{grain:g}.y4m"
    if not path.is_file():
        samples.write_y4m(path, _shot(fps, grain), fps)
    return path


def _shot(fps: int, deviation: float) -> Iterator[Picture]:
    first, last = (round(second * fps) for second in _SHOT_S)
    frames = list(islice(samples.pictures(samples.street_video(), fps), first, last + 1))
    grain = np.random.default_rng(1)
    for frame in (*frames, *frames[-2:0:-1]):
        one = Picture.from_av(frame)
        y, u, v = (np.vstack([plane, plane[:, ::-1]]) for plane in (one.y, one.u, one.v))
        if deviation:
            y = np.clip(y + grain.normal(0.0, deviation, y.shape), 0.0, 255.0).astype(np.uint8)
        yield Picture(one.width, 2 * one.height, y, u, v)


@asynccontextmanager
async def made(link: EmulatedLink) -> AsyncIterator[None]:
    """Made and removed by another thread: netlink's library runs an event loop of its own."""
    await asyncio.to_thread(_one_by_one, link.__enter__)
    try:
        yield
    finally:
        await asyncio.to_thread(_one_by_one, link.close)


def _one_by_one(act: Callable[[], object]) -> None:
    with _changing:
        act()


@contextmanager
def _inside(link: EmulatedLink) -> Iterator[Path]:
    """A browser's executable that starts it in the link's namespace."""
    with tempfile.TemporaryDirectory(prefix="edge-bench-") as folder:
        script = Path(folder) / "chromium"
        net = f"/run/netns/{link.namespace}"
        script.write_text(f'#!/bin/sh\nexec nsenter --net={net} -- {chromium_path()} "$@"\n')
        script.chmod(0o755)
        yield script
