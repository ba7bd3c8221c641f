"""The receivers that `bench rate` and `bench loss` compare, and the page's signalling."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from edge.adaptation.hint_controller import START_BPS, HintController
from edge.adaptation.measurements import SessionMeasurements
from edge.api.pages import WEB
from edge.base.clock import now_ms
from edge.observability import garbage_collector
from edge.rtc.peer_connection import DecodedFrame, PeerConnection
from edge.rtc.rtp import is_rtcp
from edge.rtc.transport import aiortc_adapter
from edge.scheduling.assignment import Assignment
from netem.baseline.stock_receiver import StockReceiver

SLO_MS, LONG_SIDE = 100.0, 608
_VARIANT = f"yolov4-tiny-{LONG_SIDE}"
_DECIDE_S = 0.1
_PAGE = Path(__file__).parent / "page"


@dataclass(slots=True)
class FrameArrivals:
    """RTP packets as they arrived at the socket: SRTP leaves their headers in the clear."""

    packets: dict[int, list[tuple[int, int, bool, float]]] = field(
        default_factory=lambda: defaultdict(list)
    )  # by SSRC: (sequence number, timestamp, marker, ms)

    def note(self, data: bytes, at_ms: float) -> None:
        if len(data) < 12 or not 127 < data[0] < 192 or is_rtcp(data):
            return
        sequence = int.from_bytes(data[2:4], "big")
        timestamp = int.from_bytes(data[4:8], "big")
        ssrc = int.from_bytes(data[8:12], "big")
        self.packets[ssrc].append((sequence, timestamp, data[1] > 127, at_ms))

    def received_ms(self, rtps: set[int]) -> dict[int, float]:
        """When each complete frame's last packet arrived, by RTP timestamp.

        A retransmission (of another SSRC, with its frame's timestamp) replaces a lost packet.
        """
        if not self.packets:
            return {}
        matches = {
            ssrc: sum(packet[1] in rtps for packet in packets)
            for ssrc, packets in self.packets.items()
        }
        main = max(matches, key=lambda ssrc: matches[ssrc])
        repeated: dict[int, list[float]] = defaultdict(list)
        for ssrc, packets in self.packets.items():
            if ssrc != main:
                for _, timestamp, _, at_ms in packets:
                    repeated[timestamp].append(at_ms)
        return _complete(self.packets[main], repeated)


def _complete(
    packets: list[tuple[int, int, bool, float]], repeated: dict[int, list[float]]
) -> dict[int, float]:
    """When each frame without a missing packet was complete; a gap in the sequence numbers belongs
    to the frame before it, unless that one has ended."""
    numbered: dict[int, tuple[int, bool, float]] = {}
    highest = packets[0][0] + 0x10000
    for sequence, timestamp, marker, at_ms in packets:
        number = highest + ((sequence - highest + 0x8000) & 0xFFFF) - 0x8000
        highest = max(highest, number)
        numbered.setdefault(number, (timestamp, marker, at_ms))
    last_ms: dict[int, float] = {}
    missing: dict[int, int] = defaultdict(int)
    ended: set[int] = set()
    before = min(numbered)
    for number in sorted(numbered):
        timestamp, marker, at_ms = numbered[number]
        gap = number - before - 1
        if gap > 0:
            earlier, finished, _ = numbered[before]
            owner = earlier if not finished else timestamp
            missing[owner] += gap
        last_ms[timestamp] = max(at_ms, last_ms.get(timestamp, at_ms))
        if marker:
            ended.add(timestamp)
        before = number
    complete: dict[int, float] = {}
    for timestamp, at_ms in last_ms.items():
        lost = missing[timestamp] + (timestamp not in ended and not missing[timestamp])
        spare = sorted(repeated.get(timestamp, []))
        if lost <= len(spare):
            complete[timestamp] = max([at_ms, *spare[:lost]])
    return complete


@dataclass(slots=True)
class DecodedFrames:
    """By raw RTP timestamp: when each frame was decoded, whether handed over or superseded, and
    `received_ms` where the receiver knows it; `counts` are the receiver's own."""

    at_ms: dict[int, float] = field(default_factory=dict)
    received_ms: dict[int, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RateReceiver:
    """One connection: its SDP answer, how to close it, its packets' arrivals, its decoded frames so
    far, and the bitrates that it hinted, as (ms, bit/s)."""

    answer: str
    close: Callable[[], Awaitable[None]]
    arrivals: FrameArrivals
    decoded: Callable[[], DecodedFrames]
    caps: list[tuple[float, float]] = field(default_factory=list)


def _pong(message: dict[str, Any], t1_ms: float) -> str:
    return json.dumps({"t0_ms": message["t0_ms"], "t1_ms": t1_ms, "t2_ms": now_ms()})


class _Hints:
    """The session's part: its hint controller, run every 100 ms and when the link steps."""

    def __init__(self, peer: Callable[[], PeerConnection], cap_bps: float, fps: float) -> None:
        self._peer, self._fps = peer, fps
        self._controller = HintController(start_bps=START_BPS, max_bps=cap_bps)
        self._plan = Assignment(_VARIANT, LONG_SIDE, cap_bps, 0.0, "the benchmark's")
        self.sent: list[tuple[float, float]] = []  # (ms, bit/s), of the whole run
        self._task = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        while True:
            self.decide()
            await asyncio.sleep(_DECIDE_S)  # as a session does

    def decide(self) -> None:
        peer, at_ms = self._peer(), now_ms()
        rate = peer.estimator
        measured = SessionMeasurements(
            slo_ms=SLO_MS,
            fps=self._fps,
            capacity_bps=rate.capacity_bps,
            queue_ms=rate.queue_ms,
            loss=rate.loss,
            frame_bits=rate.frame_bits(at_ms),
        )
        hint = self._controller.decide(measured, self._plan, at_ms)
        if hint is not None:
            self.sent.append((at_ms, hint.max_bps))
            message = {"type": "hint", "seq": hint.seq, "max_bps": hint.max_bps, "fps": hint.fps}
            peer.send("control", json.dumps(message))

    def applied(self, seq: int) -> None:
        hint = self._controller.current
        if hint is not None and seq == hint.seq:
            self._peer().estimator.set_cap(hint.max_bps, now_ms())

    def close(self) -> None:
        self._task.cancel()


async def _receive_by_session(
    controller: str, offer: str, cap_bps: float, fps: float
) -> RateReceiver:
    hints: _Hints | None = None

    def on_message(label: str, text: str | bytes) -> None:
        message = json.loads(text)
        if message["type"] == "ping":
            peer.send(label, _pong(message, now_ms()))
        elif hints is not None:
            hints.applied(message["seq"])

    def on_step() -> None:
        if hints is not None:
            hints.decide()

    frames = DecodedFrames()

    def on_frame(frame: DecodedFrame) -> None:
        frames.at_ms[frame.rtp] = frame.decoded_ms
        frames.received_ms[frame.rtp] = frame.received_ms

    def on_lost(rtps: Sequence[int], reason: str) -> None:
        if reason == "superseded":  # decoded, and a newer one handed over
            frames.at_ms.update(dict.fromkeys(rtps, now_ms()))

    def decoded() -> DecodedFrames:
        frames.counts = asdict(peer.counts)
        return frames

    peer = PeerConnection(
        slo_ms=SLO_MS,
        on_frame=on_frame,
        on_lost=on_lost,
        on_message=on_message,
        on_channel=lambda label: None,
        on_state=lambda state: None,
        on_step=on_step,
        rate_control="transport-cc" if controller == "transport-cc" else "receiver",
    )
    answer = await peer.answer(offer)
    if controller == "receiver":
        peer.estimator.remb.max_cap_bps = cap_bps
        hints = _Hints(lambda: peer, cap_bps, fps)
    arrivals = FrameArrivals()
    assert peer._connection is not None
    aiortc_adapter.tap_datagrams(peer._connection, arrivals.note)

    async def close() -> None:
        if hints is not None:
            hints.close()
        await peer.close()

    return RateReceiver(answer, close, arrivals, decoded, [] if hints is None else hints.sent)


async def _receive_by_aiortc(offer: str) -> RateReceiver:
    arrivals, frames = FrameArrivals(), DecodedFrames()

    def on_frame(frame: Any, rtp: int, at_ms: float) -> None:
        frames.at_ms[rtp] = at_ms

    def on_message(label: str, text: str, at_ms: float) -> None:
        receiver.send(label, _pong(json.loads(text), at_ms))

    receiver = StockReceiver(on_frame, on_message, arrivals.note)
    return RateReceiver(await receiver.answer(offer), receiver.close, arrivals, lambda: frames)


class ReceiverServer:
    """Serves the page and the receivers' signalling on a free port of one of this machine's
    addresses; `current` is the receiver of the latest offer."""

    def __init__(self, address: str, cap_bps: float, fps: float) -> None:
        self.url = ""
        self.current: RateReceiver | None = None
        self.fps = fps
        self._address, self._cap_bps = address, cap_bps
        app = web.Application()
        routes = [web.get("/", self._index), web.post("/offer/{receiver}", self._offer)]
        # The publisher page's own code carries hints out.
        app.add_routes([*routes, web.static("/js", WEB / "static/js"), web.static("/", _PAGE)])
        self._runner = web.AppRunner(app, shutdown_timeout=1.0)

    async def _index(self, request: web.Request) -> web.FileResponse:
        return web.FileResponse(_PAGE / "index.html")

    async def _offer(self, request: web.Request) -> web.Response:
        controller, offer = request.match_info["receiver"], await request.text()
        if controller == "aiortc":
            self.current = await _receive_by_aiortc(offer)
        else:
            self.current = await _receive_by_session(controller, offer, self._cap_bps, self.fps)
        return web.Response(text=self.current.answer)

    async def __aenter__(self) -> ReceiverServer:
        garbage_collector.freeze()
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._address, 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://{self._address}:{port}/"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
