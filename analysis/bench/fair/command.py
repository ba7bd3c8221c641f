"""Shares of one link: two of our sessions, and one of them beside a greedy TCP flow.

Real Chromium in a network namespace, twice or beside a TCP sender with the kernel's own congestion
control, all through one link of 4 Mbit/s to this process. Needs root.

The link is the laboratory's: only this command, a tool, imports `netem` and `traces`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

from analysis.bench.rate.browser_publisher import made, play, publishing
from analysis.bench.rate.figures import FrameTiming, mean_bps, quantile
from analysis.bench.rate.markdown import table, write_section
from analysis.bench.rate.receivers import Site
from edge.adaptation.hint_controller import START_BPS
from edge.clock import now_ms
from edge.rtc import aiortc_adapter

if TYPE_CHECKING:
    from netem.links.emulated_link import EmulatedLink

RATE_BPS, CAP_BPS, FPS = 4e6, 4e6, 15
QUEUES_BYTES = (256_000, 30_000)  # a radio link's, and a shallow one
SETTLE_MS = 10_000.0  # after all have begun; then shares count
LATE_MS = 100.0
CONTROLLERS = ("receiver", "transport-cc")
_BETWEEN_S = 2.0  # from one beginning to the next
_COMPANY = ("session", "tcp")
_TOLD = {"session": "two sessions", "tcp": "a session and TCP"}


@dataclass(frozen=True, slots=True)
class LinkShare:
    """What one flow had of the link; times only where it is made of frames."""

    company: str
    queue_bytes: int
    flow: str
    bps: float
    p50: float | None = None
    late: float | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=40.0, metavar="N", help="default 40")
    parser.add_argument("--only", choices=_COMPANY, action="append", help="may be given again")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="put the table there")
    parser.add_argument(
        "--controllers", choices=CONTROLLERS, nargs="+", default=list(CONTROLLERS[:1])
    )


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 when nobody starves, and equals share equally; 1 otherwise."""
    from netem.links.namespace import LinkError, missing  # noqa: PLC0415  # the laboratory: a tool may

    aiortc_adapter.check()
    if lack := missing():
        print(f"error: links can't be made here: {lack}", file=sys.stderr)
        return 1
    load = os.getloadavg()[0]
    try:
        shares = asyncio.run(_measure(options))
    except (LinkError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    console = Console()
    console.print(_table(shares))
    console.print(f"load average before it began: {load:.1f}, {os.cpu_count()} processors")
    judged = list(promises(shares))
    for text, held in judged:
        console.print(f"{'kept' if held else 'BROKEN'}: {text}")
    holds = all(held for _, held in judged)
    if options.json:
        rows = [asdict(share) for share in shares]
        report = {
            "versions": aiortc_adapter.VERSIONS,
            "kept": holds,
            "load_before": load,
            "rows": rows,
        }
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    if options.markdown:
        write_section(options.markdown, "bench fair", markdown(shares))
    return 0 if holds else 1


def promises(shares: Sequence[LinkShare]) -> Iterator[tuple[str, bool]]:
    """What is promised of shares, and whether it was kept."""
    for company, queue_bytes in dict.fromkeys((s.company, s.queue_bytes) for s in shares):
        mine = {
            share.flow: share.bps
            for share in shares
            if (share.company, share.queue_bytes) == (company, queue_bytes)
        }
        where = f"queue of {queue_bytes / 1e3:.0f} kB"
        if company == "session" and "receiver 2" in mine:
            low, high = sorted((mine["receiver 1"], mine["receiver 2"]))
            text = f"{where}: two sessions share within 20 % ({low / high:.2f})"
            yield text, low >= 0.8 * high
        elif company == "tcp" and "receiver 1" in mine:
            yield f"{where}: the session has a tenth", mine["receiver 1"] >= 0.1 * RATE_BPS
            yield f"{where}: TCP has four tenths", mine["tcp"] >= 0.4 * RATE_BPS


# What is measured


async def _measure(options: argparse.Namespace) -> list[LinkShare]:
    shares: list[LinkShare] = []
    for company in options.only or _COMPANY:
        for queue_bytes in QUEUES_BYTES if company == "tcp" else QUEUES_BYTES[:1]:
            for controller in options.controllers:
                print(f"{controller} and {company}, {queue_bytes / 1e3:.0f} kB", file=sys.stderr)
                run = _Run(company, queue_bytes, controller, options.seconds)
                shares += await run.measure()
    return shares


@dataclass(frozen=True, slots=True)
class _Run:
    company: str
    queue_bytes: int
    controller: str
    seconds: float

    async def measure(self) -> list[LinkShare]:
        from netem.links.emulated_link import EmulatedLink  # noqa: PLC0415
        from traces import constant  # noqa: PLC0415

        link = EmulatedLink(constant(RATE_BPS), queue_bytes=self.queue_bytes, kind="tun")
        count = 2 if self.company == "session" else 1
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(made(link))
            pages = [
                await stack.enter_async_context(publishing(link, CAP_BPS, FPS))
                for _ in range(count)
            ]
            begin_ms = now_ms() + 1000.0 * _BETWEEN_S + SETTLE_MS
            end_ms = begin_ms + 1000.0 * self.seconds
            if self.company == "tcp":
                flow_s = _BETWEEN_S + (end_ms - begin_ms + SETTLE_MS) / 1000.0
                received = await stack.enter_async_context(_tcp(link, flow_s))
            tasks = [
                self._session(number, site, page, begin_ms, end_ms)
                for number, (site, page) in enumerate(pages)
            ]
            shares = list(await asyncio.gather(*tasks))
            if self.company == "tcp":
                bits = sum(8.0 * size for at_ms, size in received if begin_ms <= at_ms < end_ms)
                shares.append(self._share("tcp", bits / self.seconds))
        return shares

    async def _session(
        self, number: int, site: Site, page: Any, begin_ms: float, end_ms: float
    ) -> LinkShare:
        await asyncio.sleep(number * _BETWEEN_S)
        first_bps = START_BPS if self.controller == "receiver" else CAP_BPS
        played = await play(site, page, self.controller, first_bps, end_ms)
        frames = [frame for frame in played.frames(0.0) if frame.at_ms >= begin_ms]
        return self._share(f"{self.controller} {number + 1}", *_shown(frames, begin_ms, end_ms))

    def _share(
        self, flow: str, bps: float, p50: float | None = None, late: float | None = None
    ) -> LinkShare:
        return LinkShare(self.company, self.queue_bytes, flow, bps, p50, late)


def _shown(
    frames: Sequence[FrameTiming], begin_ms: float, end_ms: float
) -> tuple[float, float | None, float | None]:
    times = [frame.network_ms for frame in frames]
    if not times:
        return 0.0, None, None
    late = sum(ms > LATE_MS for ms in times) / len(times)
    p50 = quantile(times, 0.5)
    return mean_bps(frames, begin_ms, end_ms), p50 if math.isfinite(p50) else None, late


@asynccontextmanager
async def _tcp(link: EmulatedLink, seconds: float) -> AsyncIterator[list[tuple[float, int]]]:
    """A flow through the link, and what comes of it: (ms, bytes), one a read."""
    received: list[tuple[float, int]] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while block := await reader.read(1 << 16):
            received.append((now_ms(), len(block)))
        writer.close()

    server = await asyncio.start_server(take, link.outside_address, 0)
    port = server.sockets[0].getsockname()[1]
    script = Path(__file__).with_name("tcp_sender.py")
    command = [sys.executable, str(script), link.outside_address, str(port), f"{seconds:.1f}"]
    sender: subprocess.Popen[bytes] = link.popen(command)
    try:
        yield received
    finally:
        sender.terminate()
        await asyncio.to_thread(sender.wait)
        server.close()
        await server.wait_closed()


def markdown(shares: Sequence[LinkShare]) -> str:
    """A table, a line for each company."""

    def lines() -> Iterator[Sequence[str]]:
        for company, queue_bytes in dict.fromkeys((s.company, s.queue_bytes) for s in shares):
            mine = [s for s in shares if (s.company, s.queue_bytes) == (company, queue_bytes)]
            flows = [f"{share.flow}: {share.bps / 1e6:.2f}" for share in mine]
            timed = [s for s in mine if s.p50 is not None and s.late is not None]
            times = [f"{s.p50:.0f}" for s in timed]
            late = [f"{100.0 * s.late:.1f} %" for s in timed if s.late is not None]
            queue = f"{queue_bytes / 1e3:.0f} kB"
            yield _TOLD[company], queue, ", ".join(flows), ", ".join(times), ", ".join(late)

    head = "| on one link | queue | Mbit/s | p50, ms | over 100 ms |"
    return "\n".join(table(head, lines())) + "\n"


def _table(shares: Sequence[LinkShare]) -> Table:
    shown = Table(title=f"shares of {RATE_BPS / 1e6:g} Mbit/s", box=box.SIMPLE)
    for name in ("beside", "queue, kB", "flow", "kbit/s", "p50, ms", "over 100 ms, %"):
        shown.add_column(name, justify="right")
    for share in shares:
        shown.add_row(
            share.company,
            f"{share.queue_bytes / 1e3:.0f}",
            share.flow,
            f"{share.bps / 1e3:.0f}",
            "" if share.p50 is None else f"{share.p50:.0f}",
            "" if share.late is None else f"{100.0 * share.late:.1f}",
        )
    return shown
