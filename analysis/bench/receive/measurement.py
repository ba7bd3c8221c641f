"""The runs of `bench receive`: a browser publishes to each receiver in turn."""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict
from typing import Any

from playwright.async_api import Page

from analysis.bench.receive.figures import MeasuredConnection, legs, rows_of
from analysis.bench.receive.receivers import OfferServer, receive_by_aiortc, receive_by_session
from edge.assets import samples
from edge.assets.browser import chromium
from edge.base.clock import now_ms

RATES = (10, 15, 30)  # frames a second
_ROUNDS = 2  # of each receiver, in turn
_SETTLE_S = 2.0  # after connecting, before frames count


async def measure(seconds: float) -> list[dict[str, Any]]:
    """Every receiver at every frame rate, for `seconds` each."""
    receivers = {"stock": receive_by_aiortc, "ours": receive_by_session}
    runs: dict[tuple[int, str], list[MeasuredConnection]] = defaultdict(list)
    async with OfferServer(receivers) as server:
        for fps in RATES:
            camera = samples.y4m(samples.street_video(), fps)
            async with chromium(camera) as browser:
                page = await browser.new_page()
                await page.goto(server.url)
                await page.wait_for_function("window.bench")
                for _ in range(_ROUNDS):
                    for name in receivers:
                        print(f"{fps} frames/s, {name}", file=sys.stderr)
                        run = await _connect(page, server, name, fps, seconds / _ROUNDS)
                        runs[fps, name].append(run)
    return rows_of(runs)


async def _connect(
    page: Page, server: OfferServer, name: str, fps: int, seconds: float
) -> MeasuredConnection:
    await page.evaluate("([name, fps]) => bench.publish(name, fps)", [name, fps])
    receiver = server.current
    assert receiver is not None
    begin_ms = now_ms() + 1000.0 * _SETTLE_S
    await asyncio.sleep(_SETTLE_S + seconds)  # the length of the measurement
    end_ms = now_ms() - 1000.0  # later frames may still be in flight
    report = await page.evaluate("() => bench.finish()")
    await receiver.close()
    encoded = {rtp: at_ms + report["offset_ms"] for rtp, at_ms in report["encoded"]}
    measured = {rtp: at_ms for rtp, at_ms in encoded.items() if begin_ms <= at_ms <= end_ms}
    return MeasuredConnection(
        len(measured),
        [legs(measured[rtp], times) for rtp, times in receiver.decoded() if rtp in measured],
    )
