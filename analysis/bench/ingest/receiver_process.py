"""A receiving process under test: `python -m analysis.bench.ingest.receiver_process KIND`.

Takes offers at `/whip` and notes when each decoded picture is handed over. Prints its URL first.
Lines on standard input: "cpu" is answered with the processor time used so far, "take" with the
pictures since the last "take", by connection. It ends with its standard input.
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

from edge.base.clock import now_ms
from edge.observability import garbage_collector
from edge.rtc.peer_connection import PeerConnection
from edge.rtc.transport import aiortc_adapter
from netem.baseline.stock_receiver import StockReceiver

Pictures = list[tuple[int, float]]
"""(RTP timestamp, when its picture was handed over, ms)."""


class IngestReceiver(Protocol):
    """One connection."""

    async def answer(self, offer: str) -> str: ...

    async def close(self) -> None: ...


class SessionReceiver:
    """This project's receive path; appends (RTP timestamp, ms) of each picture to `pictures`."""

    def __init__(self, pictures: Pictures) -> None:
        self._peer = PeerConnection(
            slo_ms=100.0,
            on_frame=lambda frame: pictures.append((frame.rtp, now_ms())),
            on_lost=lambda rtps, reason: None,
            on_message=lambda label, text: None,
            on_channel=lambda label: None,
            on_state=lambda state: None,
        )
        self.answer = self._peer.answer
        self.close = self._peer.close


class AiortcReceiver:
    """aiortc as it ships; appends (RTP timestamp, ms) of each picture to `pictures`."""

    def __init__(self, pictures: Pictures) -> None:
        self._receiver = StockReceiver(lambda frame, rtp, at_ms: pictures.append((rtp, at_ms)))
        self.answer = self._receiver.answer
        self.close = self._receiver.close


MakeReceiver = Callable[[Pictures], IngestReceiver]


class WhipServer:
    """Takes offers by HTTP; one receiver a connection."""

    def __init__(self, make: MakeReceiver) -> None:
        self._make = make
        self._numbers = itertools.count()
        self._receivers: dict[str, IngestReceiver] = {}
        self._pictures: dict[str, Pictures] = {}
        app = web.Application()
        app.add_routes([web.post("/whip", self._offer), web.delete("/whip/{number}", self._end)])
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self) -> str:
        """Listens on a free port of the loopback; returns the URL."""
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    def take(self) -> dict[str, Pictures]:
        """The pictures since the last call, by connection."""
        noted = {location: list(pictures) for location, pictures in self._pictures.items()}
        for pictures in self._pictures.values():
            pictures.clear()
        return noted

    async def close(self) -> None:
        await asyncio.gather(*(each.close() for each in self._receivers.values()))
        await self._runner.cleanup()

    async def _offer(self, request: web.Request) -> web.Response:
        location = f"/whip/{next(self._numbers)}"
        pictures = self._pictures[location] = []
        receiver = self._receivers[location] = self._make(pictures)
        answer = await receiver.answer(await request.text())
        return web.Response(status=201, text=answer, headers={"Location": location})

    async def _end(self, request: web.Request) -> web.Response:
        await self._receivers[request.path].close()
        return web.Response()


KINDS: dict[str, MakeReceiver] = {"ours": SessionReceiver, "stock": AiortcReceiver}


async def _serve(make: MakeReceiver) -> None:
    aiortc_adapter.check()
    garbage_collector.freeze()
    server = WhipServer(make)
    print(await server.start(), flush=True)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
    )
    while line := await lines.readline():
        answer: dict[str, Any] = {"cpu_s": time.process_time(), "at_ms": now_ms()}
        if line.strip() == b"take":
            answer = dict(server.take())
        print(json.dumps(answer), flush=True)
    await server.close()


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
