"""The runs of `bench loss`: one receiver behind one lossy link."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from analysis.bench.loss import figures
from analysis.bench.loss.results import RECEIVERS, LossPattern, LossResult
from analysis.bench.rate.browser_publisher import page_behind
from analysis.bench.rate.receivers import DecodedFrames, ReceiverServer
from edge.adaptation.hint_controller import START_BPS
from edge.base.clock import now_ms
from netem.links.emulated_link import EmulatedLink
from traces import constant

RATE_BPS, DELAY_MS, CAP_BPS = 8e6, 15.0, 1.2e6
QUEUE_BYTES = 256_000
_SETTLE_S = 4.0  # after the page is connected; then frames count
_TAIL_S = 0.7  # in which frames that were encoded may still be decoded
_OVERHEAD_S = 14.0  # around each run: starting and ending the browser and the link


async def measure(
    losses: Sequence[LossPattern], rates: Sequence[int], receivers: Sequence[str], seconds: float
) -> list[LossResult]:
    """Every receiver under every loss at every frame rate, for `seconds` each."""
    runs = [(loss, fps, name) for loss in losses for fps in rates for name in receivers]
    began_s, rows = time.monotonic(), list[LossResult]()
    for loss, fps, name in runs:
        each_s = seconds + _OVERHEAD_S
        if rows:
            each_s = (time.monotonic() - began_s) / len(rows)
        left = each_s * (len(runs) - len(rows)) / 60.0
        print(f"{loss.name}, {fps}/s, {name}; {left:.0f} min left", file=sys.stderr)
        rows.append(LossResult(loss, fps, name, await _measure_run(loss, fps, name, seconds)))
    return rows


async def _measure_run(
    loss: LossPattern, fps: int, name: str, seconds: float
) -> figures.LossFigures:
    link = EmulatedLink(
        constant(RATE_BPS),
        delay_ms=DELAY_MS,
        loss=loss.share,
        loss_burst=loss.burst,
        queue_bytes=QUEUE_BYTES,
        kind="tun",
    )
    async with page_behind(link, CAP_BPS, fps) as (server, page):
        return await _publish(name, fps, seconds, server, page)


async def _publish(
    name: str, fps: int, seconds: float, server: ReceiverServer, page: Any
) -> figures.LossFigures:
    first_bps = min(START_BPS, CAP_BPS)
    options = {"receiver": RECEIVERS[name], "fps": fps, "firstBps": first_bps}
    await page.evaluate("(options) => bench.publish(options)", options)
    receiver = server.current
    assert receiver is not None
    await asyncio.sleep(_SETTLE_S)
    early, begin_ms = await page.evaluate("() => bench.stats()"), now_ms()
    before = receiver.decoded().counts
    await asyncio.sleep(seconds)  # the length of the measurement
    late, end_ms = await page.evaluate("() => bench.stats()"), now_ms()
    await asyncio.sleep(_TAIL_S)
    report = await page.evaluate("() => bench.finish()")
    decoded = receiver.decoded()
    counts = {each: count - before[each] for each, count in decoded.counts.items()}
    await receiver.close()
    counted = {each: late[each] - early[each] for each in late}
    encoded = [(rtp, at_ms + report["offset_ms"], size) for rtp, at_ms, size in report["encoded"]]
    inside = [frame for frame in encoded if begin_ms <= frame[1] <= end_ms]
    return _figures(counted, inside, replace(decoded, counts=counts), (begin_ms, end_ms))


def _figures(
    counted: dict[str, int],
    encoded: Sequence[tuple[int, float, float]],
    decoded: DecodedFrames,
    window_ms: tuple[float, float],
) -> figures.LossFigures:
    at_ms = {rtp: ms for rtp, ms, _ in encoded}
    p50, p99 = figures.quantiles(at_ms, decoded.at_ms)
    network = figures.quantiles(at_ms, decoded.received_ms) if decoded.received_ms else (None, None)
    return figures.LossFigures(
        captured=counted["frames"],
        decoded=sum(rtp in decoded.at_ms for rtp in at_ms),
        stall_ms=figures.stall_ms(list(decoded.at_ms.values()), *window_ms),
        p50=p50,
        p99=p99,
        nacks=counted["nackCount"],
        plis=counted["pliCount"],
        resent=counted["retransmittedPacketsSent"],
        key_frames=counted["keyFramesEncoded"],
        bps=8000.0 * sum(size for _, _, size in encoded) / (window_ms[1] - window_ms[0]),
        recovered=decoded.counts.get("recovered"),
        network_p50=network[0],
        network_p99=network[1],
    )
