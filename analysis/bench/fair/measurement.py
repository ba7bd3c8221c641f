"""Two sessions, or a session and a TCP flow, through one emulated link."""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.bench.fair.link_shares import LATE_MS, LINK_BPS, LinkShare
from analysis.bench.rate.browser_publisher import link_up, open_page, publish
from analysis.bench.rate.figures import FrameTiming, mean_bps, quantile
from analysis.bench.rate.receivers import ReceiverServer
from edge.adaptation.hint_controller import START_BPS
from edge.base.clock import now_ms
from netem.links.emulated_link import EmulatedLink
from traces import constant

CAP_BPS, FPS = 4e6, 15
SETTLE_MS = 10_000.0  # after all flows have begun; then shares count
_STAGGER_S = 2.0  # from one session's beginning to the next


@dataclass(frozen=True, slots=True)
class SharedLinkRun:
    """One link for a session and its `company`: another "session", or "tcp"."""

    company: str
    queue_bytes: int
    controller: str
    seconds: float

    async def measure(self) -> list[LinkShare]:
        """Each flow's share of the link, over `seconds`."""
        link = EmulatedLink(constant(LINK_BPS), queue_bytes=self.queue_bytes, kind="tun")
        count = 2 if self.company == "session" else 1
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(link_up(link))
            pages = [
                await stack.enter_async_context(open_page(link, CAP_BPS, FPS)) for _ in range(count)
            ]
            begin_ms = now_ms() + 1000.0 * _STAGGER_S + SETTLE_MS
            end_ms = begin_ms + 1000.0 * self.seconds
            if self.company == "tcp":
                flow_s = _STAGGER_S + (end_ms - begin_ms + SETTLE_MS) / 1000.0
                received = await stack.enter_async_context(_tcp_flow(link, flow_s))
            tasks = [
                self._session(number, server, page, begin_ms, end_ms)
                for number, (server, page) in enumerate(pages)
            ]
            shares = list(await asyncio.gather(*tasks))
            if self.company == "tcp":
                bits = sum(8.0 * size for at_ms, size in received if begin_ms <= at_ms < end_ms)
                shares.append(self._share("tcp", bits / self.seconds))
        return shares

    async def _session(
        self, number: int, server: ReceiverServer, page: Any, begin_ms: float, end_ms: float
    ) -> LinkShare:
        await asyncio.sleep(number * _STAGGER_S)
        first_bps = START_BPS if self.controller == "receiver" else CAP_BPS
        publication = await publish(server, page, self.controller, first_bps, end_ms)
        frames = [frame for frame in publication.frames(0.0) if frame.at_ms >= begin_ms]
        return self._share(f"{self.controller} {number + 1}", *_network(frames, begin_ms, end_ms))

    def _share(
        self, flow: str, bps: float, p50: float | None = None, late: float | None = None
    ) -> LinkShare:
        return LinkShare(self.company, self.queue_bytes, flow, bps, p50, late)


def _network(
    frames: Sequence[FrameTiming], begin_ms: float, end_ms: float
) -> tuple[float, float | None, float | None]:
    """(bits a second, median network time in ms, share over LATE_MS) of a session's frames."""
    times = [frame.network_ms for frame in frames]
    if not times:
        return 0.0, None, None
    late = sum(ms > LATE_MS for ms in times) / len(times)
    p50 = quantile(times, 0.5)
    return mean_bps(frames, begin_ms, end_ms), p50 if math.isfinite(p50) else None, late


@asynccontextmanager
async def _tcp_flow(link: EmulatedLink, seconds: float) -> AsyncIterator[list[tuple[float, int]]]:
    """A TCP flow through the link, and its arrivals as (ms, bytes), one a read."""
    received: list[tuple[float, int]] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while block := await reader.read(1 << 16):
            received.append((now_ms(), len(block)))
        writer.close()

    server = await asyncio.start_server(take, link.outside_address, 0)
    port = server.sockets[0].getsockname()[1]
    script = Path(__file__).with_name("tcp_sender.py")
    sender = link.popen(
        [sys.executable, str(script), link.outside_address, str(port), f"{seconds:.1f}"]
    )
    try:
        yield received
    finally:
        sender.terminate()
        await asyncio.to_thread(sender.wait)
        server.close()
        await server.wait_closed()
