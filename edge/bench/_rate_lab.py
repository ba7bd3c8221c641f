"""Real Chromium with a camera, behind a link, and the page that it publishes from."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge import samples
from edge.assets import cache_dir
from edge.bench._rate_receivers import Site
from edge.browser import chromium, chromium_path
from edge.picture import Picture

if TYPE_CHECKING:
    from netem.link import Link

_SHOT_S = (3.1, 5.4)  # of the street video, between two cuts
_SECURE = "--unsafely-treat-insecure-origin-as-secure"


@asynccontextmanager
async def behind(link: Link, cap_bps: float, fps: int) -> AsyncIterator[tuple[Site, Any]]:
    """The link is made: the receivers' site at its outer end, its page in a browser inside."""
    async with (
        _made(link),
        Site(link.outside_address, cap_bps, fps) as site,
        chromium(_camera(fps), flags=[f"{_SECURE}={site.url.rstrip('/')}"]) as browser,
    ):
        page = await browser.new_page()
        await page.goto(site.url)
        await page.wait_for_function("window.bench")
        yield site, page


def _camera(fps: int) -> Path:
    """One shot of the street, there and back: a camera has no cuts. Over its mirror image: twice
    the detail, for a cap of 4 Mbit/s to matter."""
    path = cache_dir() / f"street-shot-{fps}.y4m"
    if not path.is_file():
        samples.write_y4m(path, _shot(fps), fps)
    return path


def _shot(fps: int) -> Iterator[Picture]:
    first, last = (round(second * fps) for second in _SHOT_S)
    frames = list(islice(samples.pictures(samples.street_video(), fps), first, last + 1))
    for frame in (*frames, *frames[-2:0:-1]):
        one = Picture.from_av(frame)
        y, u, v = (np.vstack([plane, plane[:, ::-1]]) for plane in (one.y, one.u, one.v))
        yield Picture(one.width, 2 * one.height, y, u, v)


@asynccontextmanager
async def _made(link: Link) -> AsyncIterator[None]:
    """Made and removed by another thread: netlink's library runs an event loop of its own."""
    await asyncio.to_thread(link.__enter__)
    try:
        with _inside(link):
            yield
    finally:
        await asyncio.to_thread(link.close)


@contextmanager
def _inside(link: Link) -> Iterator[None]:
    """The browser starts in the link's namespace meanwhile."""
    before = os.environ.get("EDGE_CHROMIUM")
    with tempfile.TemporaryDirectory(prefix="edge-bench-") as folder:
        script = Path(folder) / "chromium"
        net = f"/run/netns/{link.namespace}"
        script.write_text(f'#!/bin/sh\nexec nsenter --net={net} -- {chromium_path()} "$@"\n')
        script.chmod(0o755)
        os.environ["EDGE_CHROMIUM"] = str(script)
        try:
            yield
        finally:
            if before is None:
                del os.environ["EDGE_CHROMIUM"]
            else:
                os.environ["EDGE_CHROMIUM"] = before
