"""Frames decoded and stalls over a lossy link: ours against plain aiortc in the same run.

Real Chromium in a network namespace streams to this process through the project's own TUN link: 8
Mbit/s, 15 ms each way; 1, 2 and 5 % of the packets lost at random, or 1 % in bursts of 10. A stall
is a time without a decoded frame. Needs root.

The link is the laboratory's: only this command, a tool, imports `netem` and `traces`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

from analysis.bench.loss import figures
from analysis.bench.rate.browser_publisher import behind
from analysis.bench.rate.markdown import table, write_section
from analysis.bench.rate.receivers import Decoded
from edge.adaptation.hint_controller import START_BPS
from edge.clock import now_ms
from edge.rtc import aiortc_adapter

if TYPE_CHECKING:
    from analysis.bench.rate.receivers import Site

RATE_BPS, DELAY_MS, CAP_BPS = 8e6, 15.0, 1.2e6
QUEUE_BYTES = 256_000
FPS = (15, 30)
RECEIVERS = {"ours": "receiver", "aiortc": "aiortc"}
MOST_STALL_MS = 400.0
_SETTLE_S = 4.0  # after the connection stands; then frames count
_TAIL_S = 0.7  # in which what was encoded may still be decoded
_OVERHEAD_S = 14.0  # around each run: starting and ending the browser and the link


@dataclass(frozen=True, slots=True)
class LossPattern:
    """A share of the uplink's packets, lost `burst` in a row at a time."""

    name: str
    share: float
    burst: int = 1


LOSSES = {
    loss.name: loss
    for loss in (
        LossPattern("1%", 0.01),
        LossPattern("2%", 0.02),
        LossPattern("5%", 0.05),
        LossPattern("bursts", 0.01, 10),
    )
}


@dataclass(frozen=True, slots=True)
class LossResult:
    """One receiver under one loss at one frame rate."""

    loss: LossPattern
    fps: int
    receiver: str
    figures: figures.LossFigures

    @property
    def label(self) -> str:
        return f"{self.loss.name}, {self.fps}/s"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=_seconds, default=30.0, metavar="N", help="default 30")
    parser.add_argument("--quick", action="store_true", help="8 s each, at 15 frames/s only")
    parser.add_argument("--only", choices=list(LOSSES), action="append", help="may be given again")
    parser.add_argument("--receivers", choices=list(RECEIVERS), nargs="+", default=list(RECEIVERS))
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="put the table there")
    parser.add_argument("--fps", type=int, choices=FPS, nargs="+", default=list(FPS))


def _seconds(text: str) -> float:
    value = float(text)
    if not 2.0 <= value <= 3600.0:
        raise argparse.ArgumentTypeError(f"{text}: 2 to 3600")
    return value


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 when no stall of ours was too long, 1 otherwise."""
    from netem.links.namespace import LinkError, missing  # noqa: PLC0415  # the laboratory: a tool may

    aiortc_adapter.check()
    if lack := missing():
        print(f"error: links can't be made here: {lack}", file=sys.stderr)
        return 1
    seconds, rates = (8.0, [FPS[0]]) if options.quick else (options.seconds, options.fps)
    losses = [LOSSES[name] for name in options.only or LOSSES]
    load = os.getloadavg()[0]
    try:
        rows = asyncio.run(_measure(losses, rates, options.receivers, seconds))
    except (LinkError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    console = Console()
    if not console.is_terminal:
        console = Console(width=140)
    console.print(_table(rows))
    console.print(f"load average before it began: {load:.1f}, {os.cpu_count()} processors")
    judged = list(promises(rows))
    for text, held in judged:
        console.print(f"{'kept' if held else 'BROKEN'}: {text}")
    holds = all(held for _, held in judged)
    if options.json:
        cells = [_to_json(row, seconds) for row in rows]
        report = {
            "versions": aiortc_adapter.VERSIONS,
            "kept": holds,
            "load_before": load,
            "rows": cells,
        }
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    if options.markdown:
        write_section(options.markdown, "bench loss", markdown(rows))
    return 0 if holds else 1


def promises(rows: Sequence[LossResult]) -> Iterator[tuple[str, bool]]:
    """What is promised of our receiver, and whether it was kept."""
    for row in rows:
        if row.receiver == "ours":
            stall_ms = row.figures.stall_ms
            text = f"{row.label}: longest stall {stall_ms:.0f}, at most {MOST_STALL_MS:.0f} ms"
            yield text, stall_ms <= MOST_STALL_MS


# What is measured


async def _measure(
    losses: Sequence[LossPattern], rates: Sequence[int], receivers: Sequence[str], seconds: float
) -> list[LossResult]:
    runs = [(loss, fps, name) for loss in losses for fps in rates for name in receivers]
    began_s, rows = time.monotonic(), list[LossResult]()
    for loss, fps, name in runs:
        each_s = seconds + _OVERHEAD_S
        if rows:
            each_s = (time.monotonic() - began_s) / len(rows)
        left = each_s * (len(runs) - len(rows)) / 60.0
        print(f"{loss.name}, {fps}/s, {name}; {left:.0f} min left", file=sys.stderr)
        rows.append(LossResult(loss, fps, name, await _one(loss, fps, name, seconds)))
    return rows


async def _one(loss: LossPattern, fps: int, name: str, seconds: float) -> figures.LossFigures:
    from netem.links.emulated_link import EmulatedLink  # noqa: PLC0415
    from traces import constant  # noqa: PLC0415

    link = EmulatedLink(
        constant(RATE_BPS),
        delay_ms=DELAY_MS,
        loss=loss.share,
        loss_burst=loss.burst,
        queue_bytes=QUEUE_BYTES,
        kind="tun",
    )
    async with behind(link, CAP_BPS, fps) as (site, page):
        return await _publish(name, fps, seconds, site, page)


async def _publish(
    name: str, fps: int, seconds: float, site: Site, page: Any
) -> figures.LossFigures:
    first_bps = min(START_BPS, CAP_BPS)
    wishes = {"receiver": RECEIVERS[name], "fps": fps, "firstBps": first_bps}
    await page.evaluate("(wishes) => bench.publish(wishes)", wishes)
    receiving = site.current
    assert receiving is not None
    await asyncio.sleep(_SETTLE_S)
    early, begin_ms = await page.evaluate("() => bench.stats()"), now_ms()
    before = receiving.decoded().counts
    await asyncio.sleep(seconds)  # the length of the measurement
    late, end_ms = await page.evaluate("() => bench.stats()"), now_ms()
    await asyncio.sleep(_TAIL_S)
    report = await page.evaluate("() => bench.finish()")
    decoded = receiving.decoded()
    counts = {each: count - before[each] for each, count in decoded.counts.items()}
    await receiving.close()
    counted = {each: late[each] - early[each] for each in late}
    encoded = [(rtp, at_ms + report["offset_ms"], size) for rtp, at_ms, size in report["encoded"]]
    inside = [frame for frame in encoded if begin_ms <= frame[1] <= end_ms]
    return _figures(counted, inside, replace(decoded, counts=counts), (begin_ms, end_ms))


def _figures(
    counted: dict[str, int],
    encoded: Sequence[tuple[int, float, float]],
    decoded: Decoded,
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


# What is told


def _table(rows: Sequence[LossResult]) -> Table:
    title = "encoder to decoded picture, ms; frames decoded of those captured, %"
    made = Table(title=title, box=box.SIMPLE)
    for name in ("loss", "receiver"):
        made.add_column(name, no_wrap=True)
    names = ("decoded", "longest stall", "p50", "p99", "NACKs", "PLIs", "resent", "recovered")
    for name in (*names, "key frames", "kbit/s"):
        made.add_column(name, justify="right")
    for row in rows:
        found = row.figures
        made.add_row(
            row.label,
            row.receiver,
            f"{100.0 * found.share:.1f}",
            *(f"{ms:.0f}" for ms in (found.stall_ms, found.p50, found.p99)),
            *(str(count) for count in (found.nacks, found.plis, found.resent)),
            "" if found.recovered is None else str(found.recovered),
            str(found.key_frames),
            f"{found.bps / 1e3:.0f}",
        )
    return made


def markdown(rows: Sequence[LossResult]) -> str:
    """A table, a line for each loss and frame rate: ours, aiortc."""
    receivers = list(dict.fromkeys(row.receiver for row in rows))

    def lines() -> Iterator[Sequence[str]]:
        for label in dict.fromkeys(row.label for row in rows):
            found = [row.figures for row in rows if row.label == label]
            yield (
                label,
                ", ".join(f"{100.0 * each.share:.1f}" for each in found) + " %",
                ", ".join(f"{each.stall_ms:.0f}" for each in found),
                ", ".join(f"{each.p50:.0f} / {each.p99:.0f}" for each in found),
                ", ".join(f"{each.bps / 1e3:.0f}" for each in found),
                ", ".join(str(each.plis) for each in found),
            )

    head = (
        f"| loss, frames a second | decoded of the captured: {', '.join(receivers)}"
        " | longest stall, ms | p50 / p99, ms | kbit/s | key frames asked for |"
    )
    return "\n".join(table(head, lines())) + "\n"


def _to_json(row: LossResult, seconds: float) -> dict[str, Any]:
    return {
        "loss": row.loss.share,
        "burst": row.loss.burst,
        "fps": row.fps,
        "seconds": seconds,
        "receiver": row.receiver,
        **row.figures.to_json(),
    }
