"""What the server is compared with: aiortc as it comes, and workers that are first in, first out.

The page, the protocol and the workers are the server's own. Video is received by aiortc's receiver,
with its jitter buffer, its NACKs and its REMB; every client is asked once for a fixed size and
rate; every picture is served by one network size, each client's on one device, in the order they
came, up to a full batch at a time, however late they are.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError

from edge.api.pages import Pages, secure
from edge.clock import now_ms
from edge.config import Settings
from edge.ipc.picture import Picture
from edge.models.weights import class_names
from edge.profile.variant import Variant
from edge.rtc import aiortc_adapter
from edge.rtc.rtp import is_rtcp
from edge.session.control_messages import detections, message
from edge.workers import DEFAULT_SLOTS, Failure, Options, Result, WorkerPool

QUEUE = 128  # pictures waiting for a device; the oldest gives way
KEPT_ARRIVALS = 512  # of a session's frames; the oldest go
MAX_BODY_BYTES = 64 * 1024

log = logging.getLogger("netem.experiment.baseline")


@dataclass(slots=True)
class Waiting:
    """A decoded picture, and what is known of it."""

    guest: Guest
    rtp: int
    picture: Picture
    received_ms: float
    decoded_ms: float


class Guest:
    """A publisher: aiortc's connection, and the protocol's least."""

    def __init__(self, label: str, hello: Callable[[Guest], list[str]]) -> None:
        self.id = secrets.token_urlsafe(18)
        self.label = label
        self.answered = 0
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._hello = hello
        self._channels: dict[str, RTCDataChannel] = {}
        self._arrivals: dict[int, float] = {}  # of each frame's newest packet, by RTP time
        self._tasks: list[asyncio.Task[None]] = []

    async def answer(self, offer: str, take: Callable[[Waiting], None]) -> str:
        """The answer to its offer; its pictures go to `take`."""

        def on_track(track: MediaStreamTrack) -> None:
            self._tasks.append(asyncio.ensure_future(self._drain(track, take)))

        self.connection.on("track", on_track)
        self.connection.on("datachannel", self._on_channel)
        await self.connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await self.connection.setLocalDescription(await self.connection.createAnswer())
        aiortc_adapter.watch(self.connection, self._on_datagram)
        return str(self.connection.localDescription.sdp)

    def say(self, label: str, text: str) -> None:
        """Send, where the channel is open."""
        channel = self._channels.get(label)
        if channel is not None and channel.readyState == "open":
            channel.send(text)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await self.connection.close()

    async def _drain(self, track: MediaStreamTrack, take: Callable[[Waiting], None]) -> None:
        receiver = self.connection.getReceivers()[0]
        with contextlib.suppress(MediaStreamError):
            while True:
                frame: Any = await track.recv()
                decoded_ms = now_ms()
                origin = aiortc_adapter.stock_rtp_origin(receiver) or 0
                rtp = (frame.pts + origin) & 0xFFFFFFFF
                received_ms = min(self._arrivals.get(rtp, decoded_ms), decoded_ms)
                take(Waiting(self, rtp, Picture.from_av(frame), received_ms, decoded_ms))

    def _on_datagram(self, data: bytes, at_ms: float) -> None:
        """RTP's header is in the clear: when the last packet of each timestamp came."""
        if len(data) < 12 or not 127 < data[0] < 192 or is_rtcp(data):
            return
        self._arrivals[int.from_bytes(data[4:8], "big")] = at_ms
        if len(self._arrivals) > KEPT_ARRIVALS:
            del self._arrivals[next(iter(self._arrivals))]

    def _on_channel(self, channel: RTCDataChannel) -> None:
        self._channels[channel.label] = channel
        channel.on("message", lambda text: self._on_message(channel.label, text))

    def _on_message(self, label: str, text: str) -> None:
        received_ms = now_ms()
        heard = json.loads(text)
        match heard.get("type"):
            case "hello":
                for each in self._hello(self):
                    self.say(label, each)
            case "ping":
                t0_ms = heard["t0_ms"]
                self.say(label, message("pong", t0_ms=t0_ms, t1_ms=received_ms, t2_ms=now_ms()))


@dataclass(slots=True)
class Station:
    """A device: what waits for it, and whether it is at work."""

    queue: deque[Waiting] = field(default_factory=deque)
    busy: bool = False


class Baseline:
    """`start`, and it serves until `stop`."""

    def __init__(
        self, settings: Settings, long_side: int, sent_long_side: int, sent_bps: int
    ) -> None:
        self.settings = settings
        self.url = ""
        self.guests: dict[str, Guest] = {}
        self._hint = {"max_edge": sent_long_side, "fps": settings.fps, "max_bps": sent_bps}
        self._variant = Variant(settings.network, long_side)
        self._names = class_names()
        self._numbers = itertools.count()
        self._places = itertools.count()
        self._place: dict[str, int] = {}
        self._flying: dict[int, tuple[list[Waiting], float]] = {}
        self._stations = [Station() for _ in settings.device]
        self._runner: web.AppRunner | None = None
        self._pool = WorkerPool(
            settings.device,
            [settings.network],
            on_done=self._done,
            on_state=lambda device, state: log.info("event=device_state state=%s", state),
            slots=max(DEFAULT_SLOTS, 2 * settings.max_batch),
            max_pixels=settings.max_pixels,
            options=Options(variants=(self._variant.name,), threads=settings.threads),
        )

    async def start(self) -> None:
        """Warm the devices up, then listen."""
        await self._pool.start()
        app = web.Application(middlewares=[secure], client_max_size=MAX_BODY_BYTES)
        app.router.add_post("/whip", self._publish)
        app.router.add_patch("/whip/{session}", self._trickle)
        app.router.add_delete("/whip/{session}", self._end)
        app.add_routes(Pages(self.settings, ca=None).routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.settings.host, self.settings.port).start()
        self.url = f"http://localhost:{self._runner.addresses[0][1]}/"

    async def stop(self) -> None:
        for guest in list(self.guests.values()):
            await guest.close()
        if self._runner is not None:
            await self._runner.cleanup()
        await self._pool.stop()

    async def _publish(self, request: web.Request) -> web.Response:
        guest = Guest(request.query.get("label", ""), self._hello)
        self.guests[guest.id] = guest
        self._place[guest.id] = next(self._places) % len(self._stations)
        answer = await guest.answer(await request.text(), self._take)
        headers = {"Location": f"/whip/{guest.id}"}
        return web.Response(
            status=201, text=answer, content_type="application/sdp", headers=headers
        )

    async def _trickle(self, request: web.Request) -> web.Response:
        return web.Response(status=204)  # its checks show where the publisher is

    async def _end(self, request: web.Request) -> web.Response:
        guest = self.guests.get(request.match_info["session"])
        if guest is None:
            raise web.HTTPNotFound
        await guest.close()
        return web.Response()

    def _hello(self, guest: Guest) -> list[str]:
        hint = {**self._hint, "variant": self._variant.name, "reason": "fixed"}
        return [
            message(
                "welcome", session=guest.id, variants=[self._variant.name], classes=self._names
            ),
            message("hint", seq=1, **hint),
        ]

    # First in, first out

    def _take(self, waiting: Waiting) -> None:
        device = self._place[waiting.guest.id]
        queue = self._stations[device].queue
        if len(queue) >= QUEUE:
            oldest = queue.popleft()
            oldest.guest.say("results", message("dropped", rtp=oldest.rtp, reason="overload"))
        queue.append(waiting)
        self._serve(device)

    def _serve(self, device: int) -> None:
        station = self._stations[device]
        if station.busy or not station.queue:
            return
        size = self._input(station.queue[0])
        batch: list[Waiting] = []
        while station.queue and len(batch) < self.settings.max_batch:
            if self._input(station.queue[0]) != size:
                break
            batch.append(station.queue.popleft())
        number = next(self._numbers)
        self._flying[number] = batch, now_ms()
        station.busy = True
        pictures = [waiting.picture for waiting in batch]
        self._pool.submit(device, number, self._variant.name, pictures)

    def _input(self, waiting: Waiting) -> tuple[int, int]:
        return self._variant.input_size(waiting.picture.width, waiting.picture.height)

    def _done(self, device: int, number: int, outcome: Result | Failure) -> None:
        batch, dispatched_ms = self._flying.pop(number)
        self._stations[device].busy = False
        if isinstance(outcome, Failure):
            for waiting in batch:
                waiting.guest.say("results", message("dropped", rtp=waiting.rtp, reason="failed"))
        else:
            for waiting, boxes in zip(batch, outcome.boxes, strict=True):
                self._answer(waiting, boxes, len(batch), dispatched_ms, outcome.ended_ms)
        self._serve(device)

    def _answer(
        self, waiting: Waiting, boxes: Any, batch: int, dispatched_ms: float, inferred_ms: float
    ) -> None:
        named = [(self._names[box[0]], *box[1:]) for box in boxes]
        times = {
            "captured": waiting.received_ms,  # aiortc doesn't tell when it was
            "received": waiting.received_ms,
            "decoded": waiting.decoded_ms,
            "dispatched": dispatched_ms,
            "inferred": inferred_ms,
            "sent": now_ms(),
        }
        waiting.guest.answered += 1
        waiting.guest.say(
            "results", detections(waiting.rtp, self._variant.name, batch, named, times)
        )
