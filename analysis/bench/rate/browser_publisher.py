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
from typing import Any

import numpy as np

from analysis.bench.rate.figures import FrameTiming, with_unsent
from analysis.bench.rate.receivers import ReceiverServer
from analysis.bench.report import MeasurementError
from edge.assets import samples
from edge.assets.browser import chromium, chromium_path
from edge.base.clock import now_ms
from edge.base.directories import cache_dir
from edge.ipc.picture import Picture
from netem.links.emulated_link import EmulatedLink
from netem.links.namespace import LinkError, missing

_SHOT_S = (3.1, 5.4)  # of the street video, between two cuts
_SETTLE_S = 2.0  # the quality (QP) counts from then on, without the first key frame
_GUARD_S = 3.0  # after the end, for frames still in flight
_kernel_links = threading.Lock()
_SECURE = "--unsafely-treat-insecure-origin-as-secure"


def check_links() -> None:
    """Raises MeasurementError where links cannot be emulated, and says why."""
    if lack := missing():
        raise MeasurementError(f"links can't be emulated here: {lack}")


@asynccontextmanager
async def page_behind(
    link: EmulatedLink, cap_bps: float, fps: int, grain: float = 0.0
) -> AsyncIterator[tuple[ReceiverServer, Any]]:
    """Sets the link up, with the receivers' server at its outer end and the server's page in a
    browser at its inner end."""
    async with link_up(link), open_page(link, cap_bps, fps, grain) as ends:
        yield ends


@asynccontextmanager
async def open_page(
    link: EmulatedLink, cap_bps: float, fps: int, grain: float = 0.0
) -> AsyncIterator[tuple[ReceiverServer, Any]]:
    """A receivers' server and a browser with its page, at the two ends of a link that is up."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(ReceiverServer(link.outside_address, cap_bps, fps))
        flags = [f"{_SECURE}={server.url.rstrip('/')}"]
        executable = stack.enter_context(_browser_inside(link))
        browser = await stack.enter_async_context(
            chromium(_camera(fps, grain), flags=flags, executable=executable)
        )
        page = await browser.new_page()
        await page.goto(server.url)
        await page.wait_for_function("window.bench")
        yield server, page


@dataclass(frozen=True, slots=True)
class Publication:
    """One publication: `encoded` has each frame's raw RTP timestamp, when it left the encoder (ms),
    and its bytes; `received_ms` when each complete frame arrived; `caps` the hinted bitrates and
    when; `long_side` is the mean of the pictures' long sides, in pixels."""

    fps: float
    encoded: list[tuple[int, float, int]]
    received_ms: dict[int, float]
    caps: list[tuple[float, float]]
    qp: float
    long_side: float

    def frames(self, origin_ms: float) -> list[FrameTiming]:
        """Its frames by the link's time, including those that the encoder left out."""
        sent = [
            FrameTiming(at_ms - origin_ms, 8.0 * size, self.received_ms.get(rtp, math.inf) - at_ms)
            for rtp, at_ms, size in self.encoded
        ]
        return with_unsent(sent, [rtp for rtp, _, _ in self.encoded], self.fps)


async def publish(
    server: ReceiverServer, page: Any, controller: str, first_bps: float, end_ms: float
) -> Publication:
    """The page publishes until `end_ms`, at `first_bps` at most until a hint changes that."""
    options = {"receiver": controller, "fps": server.fps, "firstBps": first_bps}
    await page.evaluate("(options) => bench.publish(options)", options)
    receiver = server.current
    assert receiver is not None
    await asyncio.sleep(_SETTLE_S)
    early = await page.evaluate("() => bench.stats()")
    await asyncio.sleep(max(0.0, end_ms - now_ms()) / 1000.0)  # the length of the measurement
    late = await page.evaluate("() => bench.stats()")
    await asyncio.sleep(_GUARD_S)
    report = await page.evaluate("() => bench.finish()")
    await receiver.close()
    encoded = [(rtp, at_ms + report["offset_ms"], size) for rtp, at_ms, size in report["encoded"]]
    received_ms = receiver.arrivals.received_ms({rtp for rtp, _, _ in encoded})
    encoded = [frame for frame in encoded if frame[1] <= end_ms]
    long_side = sum(report["edges"]) / max(1, len(report["edges"]))
    counted = max(1, late["framesEncoded"] - early["framesEncoded"])
    qp = (late["qpSum"] - early["qpSum"]) / counted
    return Publication(server.fps, encoded, received_ms, receiver.caps, qp, long_side)


def _camera(fps: int, grain: float) -> Path:
    """A camera's file: one shot of the street forwards and backwards, since a camera has no cuts,
    above its mirror image for twice the detail. `grain` is a sensor's noise: its standard
    deviation, of 255."""
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
async def link_up(link: EmulatedLink) -> AsyncIterator[None]:
    """Sets the link up and takes it down in another thread: netlink's library runs an event loop of
    its own. Raises MeasurementError where that fails."""
    try:
        await asyncio.to_thread(_one_by_one, link.__enter__)
    except LinkError as error:
        raise MeasurementError(str(error)) from error
    try:
        yield
    finally:
        await asyncio.to_thread(_one_by_one, link.close)


def _one_by_one(change: Callable[[], object]) -> None:
    with _kernel_links:
        change()


@contextmanager
def _browser_inside(link: EmulatedLink) -> Iterator[Path]:
    """A browser's executable that starts it in the link's namespace."""
    with tempfile.TemporaryDirectory(prefix="edge-bench-") as folder:
        script = Path(folder) / "chromium"
        net = f"/run/netns/{link.namespace}"
        script.write_text(f'#!/bin/sh\nexec nsenter --net={net} -- {chromium_path()} "$@"\n')
        script.chmod(0o755)
        yield script
