"""A receiving process under test: `python -m analysis.bench.ingest.receiver_process KIND`.

Takes offers at `/whip` and notes when each decoded picture is handed over. Prints its URL first.
Lines on standard input: "cpu" is answered with the processor time used so far, "take" with what was
handed over since the last, by connection; the end of the input ends it.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

from aiohttp import web

from edge.clock import now_ms
from edge.observability import garbage_collector
from edge.rtc import aiortc_adapter
from edge.rtc.jitter.frames import DecodedFrame
from edge.rtc.peer_connection import PeerConnection
from netem.baseline.stock_receiver import StockReceiver


class IngestReceiver(Protocol):
    """One connection."""

    async def answer(self, offer: str) -> str: ...

    async def close(self) -> None: ...

    def take(self) -> list[tuple[int, float]]:
        """Since the last time: (RTP timestamp, when its picture was handed over, ms)."""


class Ours:
    """This project's receive path."""

    def __init__(self) -> None:
        self._handed: list[tuple[int, float]] = []
        self._peer = PeerConnection(
            slo_ms=100.0,
            on_frame=self._on_frame,
            on_lost=lambda rtps, reason: None,
            on_message=lambda label, text: None,
            on_channel=lambda label: None,
            on_state=lambda state: None,
        )
        self.answer = self._peer.answer
        self.close = self._peer.close

    def _on_frame(self, frame: DecodedFrame) -> None:
        self._handed.append((frame.rtp, now_ms()))

    def take(self) -> list[tuple[int, float]]:
        handed, self._handed = self._handed, []
        return handed


class Stock:
    """aiortc as it ships."""

    def __init__(self) -> None:
        self._handed: list[tuple[int, float]] = []
        self._receiver = StockReceiver(self._on_frame)
        self.answer = self._receiver.answer
        self.close = self._receiver.close

    def _on_frame(self, frame: Any, rtp: int, at_ms: float) -> None:
        self._handed.append((rtp, at_ms))

    def take(self) -> list[tuple[int, float]]:
        handed, self._handed = self._handed, []
        return handed


KINDS: dict[str, Callable[[], IngestReceiver]] = {"ours": Ours, "stock": Stock}


class _Site:
    """Offers by HTTP, and the connections."""

    def __init__(self, make: Callable[[], IngestReceiver]) -> None:
        self._make = make
        self._numbers = itertools.count()
        self.receiving: dict[str, IngestReceiver] = {}
        app = web.Application()
        app.add_routes([web.post("/whip", self._offer), web.delete("/whip/{number}", self._end)])
        self.runner = web.AppRunner(app, access_log=None)

    async def start(self) -> str:
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self.runner.addresses[0][1]}"

    async def _offer(self, request: web.Request) -> web.Response:
        location = f"/whip/{next(self._numbers)}"
        receiving = self.receiving[location] = self._make()
        answer = await receiving.answer(await request.text())
        return web.Response(status=201, text=answer, headers={"Location": location})

    async def _end(self, request: web.Request) -> web.Response:
        await self.receiving[request.path].close()
        return web.Response()


async def _serve(make: Callable[[], IngestReceiver]) -> None:
    aiortc_adapter.check()
    garbage_collector.freeze()
    site = _Site(make)
    print(await site.start(), flush=True)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
    )
    while line := await lines.readline():
        answer: dict[str, Any] = {"cpu_s": time.process_time(), "at_ms": now_ms()}
        if line.strip() == b"take":
            answer = {location: each.take() for location, each in site.receiving.items()}
        print(json.dumps(answer), flush=True)
    await asyncio.gather(*(each.close() for each in site.receiving.values()))
    await site.runner.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=list(KINDS))
    parser.add_argument("--cpus", metavar="N,...", help="processors to stay on")
    options = parser.parse_args()
    if options.cpus:
        os.sched_setaffinity(0, {int(number) for number in options.cpus.split(",")})
    asyncio.run(_serve(KINDS[options.kind]))


if __name__ == "__main__":
    main()
