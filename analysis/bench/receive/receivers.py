"""The two receivers that `bench receive` compares, and the page's signalling."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from edge.base.clock import now_ms
from edge.observability import garbage_collector
from edge.rtc.decoding.decoded_frame import DecodedFrame
from edge.rtc.peer_connection import PeerConnection
from netem.baseline.stock_receiver import StockReceiver

_PAGE = Path(__file__).parent / "page"

DecodedTimes = list[tuple[int, tuple[float, ...]]]
"""Frames by RTP timestamp; the times in ms at which each was received, decoded and handed over, or
the last of these alone."""


@dataclass(frozen=True, slots=True)
class ConnectedReceiver:
    """One connection: its SDP answer, how to close it, and its decoded frames so far."""

    answer: str
    close: Callable[[], Awaitable[None]]
    decoded: Callable[[], DecodedTimes]


def _pong(text: str | bytes, t1_ms: float) -> str:
    return json.dumps({**json.loads(text), "t1_ms": t1_ms, "t2_ms": now_ms()})


async def receive_by_session(offer: str) -> ConnectedReceiver:
    decoded: DecodedTimes = []

    def on_frame(frame: DecodedFrame) -> None:
        decoded.append((frame.rtp, (frame.received_ms, frame.decoded_ms, now_ms())))

    def on_message(label: str, text: str | bytes) -> None:
        peer.send(label, _pong(text, now_ms()))

    peer = PeerConnection(
        slo_ms=100.0,
        on_frame=on_frame,
        on_lost=lambda rtps, reason: None,
        on_message=on_message,
        on_channel=lambda label: None,
        on_state=lambda state: None,
    )
    return ConnectedReceiver(await peer.answer(offer), peer.close, lambda: decoded)


async def receive_by_aiortc(offer: str) -> ConnectedReceiver:
    decoded: DecodedTimes = []

    def on_frame(frame: Any, rtp: int, at_ms: float) -> None:
        decoded.append((rtp, (at_ms,)))

    def on_message(label: str, text: str, at_ms: float) -> None:
        receiver.send(label, _pong(text, at_ms))

    receiver = StockReceiver(on_frame, on_message)
    return ConnectedReceiver(await receiver.answer(offer), receiver.close, lambda: decoded)


class OfferServer:
    """Serves the page and the receivers' signalling on a free port of localhost; `current` is the
    receiver of the latest offer."""

    def __init__(
        self, receivers: Mapping[str, Callable[[str], Awaitable[ConnectedReceiver]]]
    ) -> None:
        self.url = ""
        self.current: ConnectedReceiver | None = None
        self._receivers = receivers
        app = web.Application()
        app.add_routes(
            [
                web.get("/", self._index),
                web.post("/offer/{receiver}", self._offer),
                web.static("/", _PAGE),
            ]
        )
        self._runner = web.AppRunner(app)

    async def _index(self, request: web.Request) -> web.FileResponse:
        return web.FileResponse(_PAGE / "index.html")

    async def _offer(self, request: web.Request) -> web.Response:
        receive = self._receivers[request.match_info["receiver"]]
        self.current = await receive(await request.text())
        return web.Response(text=self.current.answer)

    async def __aenter__(self) -> OfferServer:
        garbage_collector.freeze()
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://localhost:{port}/"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
