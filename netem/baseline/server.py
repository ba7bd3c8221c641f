"""The server that experiments compare with: aiortc as it ships, and devices first in, first out.

The page, the protocol and the workers are the server's own. Video is received by aiortc
(`netem.baseline.stock_receiver`); every client is sent one hint with a fixed size and rate; every
picture is served by one network size, each client's on one device, in order of arrival, up to a
full batch at a time, however late they are.
"""

from __future__ import annotations

import itertools
import json
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from edge.api.pages import Pages, page_settings, security_headers
from edge.base.clock import now_ms
from edge.base.event_log import get_logger
from edge.config import Settings
from edge.ipc.picture import Picture
from edge.models.registry.registry import ModelRegistry
from edge.models.weights import class_names
from edge.profile.variant import Variant
from edge.rtc.rtp import is_rtcp
from edge.session.control.control_messages import detections, message
from edge.workers.handle import BatchFailure, BatchResult
from edge.workers.options import WorkerOptions
from edge.workers.pool import DEFAULT_SLOTS, WorkerPool
from netem.baseline.stock_receiver import StockReceiver

QUEUE = 128  # pictures waiting for a device; the oldest is dropped
KEPT_ARRIVALS = 512  # of a session's frames; the oldest is forgotten
MAX_BODY_BYTES = 64 * 1024

log = get_logger("netem.baseline.server")


@dataclass(slots=True)
class QueuedPicture:
    """A decoded picture that waits for a device, its session and its times (monotonic ms)."""

    session: BaselineSession
    rtp: int
    picture: Picture
    received_ms: float
    decoded_ms: float


class BaselineSession:
    """One publisher: an aiortc connection, and the least of the protocol that the page needs.

    `on_picture` is called with each decoded picture, `greeting(session)` answers a `hello`.
    """

    def __init__(
        self,
        label: str,
        greeting: Callable[[BaselineSession], list[str]],
        on_picture: Callable[[QueuedPicture], None],
    ) -> None:
        self.id = secrets.token_urlsafe(18)
        self.label = label
        self.answered = 0
        self._greeting = greeting
        self._on_picture = on_picture
        self._arrivals: dict[int, float] = {}  # of each frame's newest packet, by RTP time
        self._receiver = StockReceiver(self._on_frame, self._on_message, self._on_datagram)
        self.answer = self._receiver.answer
        self.send = self._receiver.send
        self.close = self._receiver.close

    def _on_frame(self, frame: Any, rtp: int, decoded_ms: float) -> None:
        received_ms = min(self._arrivals.get(rtp, decoded_ms), decoded_ms)
        picture = Picture.from_av(frame)
        self._on_picture(QueuedPicture(self, rtp, picture, received_ms, decoded_ms))

    def _on_datagram(self, data: bytes, at_ms: float) -> None:
        """Note when the last packet of each RTP timestamp came."""
        if len(data) < 12 or not 127 < data[0] < 192 or is_rtcp(data):
            return
        self._arrivals[int.from_bytes(data[4:8], "big")] = at_ms
        if len(self._arrivals) > KEPT_ARRIVALS:
            del self._arrivals[next(iter(self._arrivals))]

    def _on_message(self, label: str, text: str, received_ms: float) -> None:
        received = json.loads(text)
        match received.get("type"):
            case "hello":
                for reply in self._greeting(self):
                    self.send(label, reply)
            case "ping":
                t0_ms = received["t0_ms"]
                self.send(label, message("pong", t0_ms=t0_ms, t1_ms=received_ms, t2_ms=now_ms()))


@dataclass(slots=True)
class FifoDevice:
    """A device's queue, and whether a batch of it is running."""

    queue: deque[QueuedPicture] = field(default_factory=deque)
    busy: bool = False


class BaselineServer:
    """Serves from `start` until `stop`."""

    def __init__(
        self, settings: Settings, long_side: int, sent_long_side: int, sent_bps: int
    ) -> None:
        self.settings = settings
        self.url = ""
        self.sessions: dict[str, BaselineSession] = {}
        self._hint = {"max_edge": sent_long_side, "fps": settings.fps, "max_bps": sent_bps}
        self._variant = Variant(settings.network, long_side)
        self._names = class_names()
        self._batch_numbers = itertools.count()
        self._device_of: dict[str, int] = {}
        self._running: dict[int, tuple[list[QueuedPicture], float]] = {}
        self._devices = [FifoDevice() for _ in settings.device]
        self._runner: web.AppRunner | None = None
        self._pool = WorkerPool(
            settings.device,
            [settings.network],
            on_done=self._done,
            on_state=lambda device, state: log.info("device_state", state=state),
            slots=max(DEFAULT_SLOTS, 2 * settings.max_batch),
            max_pixels=settings.max_pixels,
            options=WorkerOptions(variants=(self._variant.name,), threads=settings.threads),
        )

    async def start(self) -> None:
        """Warm the devices up, then listen."""
        await self._pool.start()
        app = web.Application(middlewares=[security_headers()], client_max_size=MAX_BODY_BYTES)
        app.router.add_post("/whip", self._publish)
        app.router.add_patch("/whip/{session}", self._trickle)
        app.router.add_delete("/whip/{session}", self._end)
        public = page_settings(self.settings, ModelRegistry.of(self.settings))
        app.add_routes(Pages(lambda: public, ca=None).routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.settings.host, self.settings.port).start()
        self.url = f"http://localhost:{self._runner.addresses[0][1]}/"

    async def stop(self) -> None:
        """End the sessions, the listener and the workers."""
        for session in list(self.sessions.values()):
            await session.close()
        if self._runner is not None:
            await self._runner.cleanup()
        await self._pool.stop()

    async def _publish(self, request: web.Request) -> web.Response:
        session = BaselineSession(request.query.get("label", ""), self._greeting, self._enqueue)
        self._device_of[session.id] = len(self.sessions) % len(self._devices)
        self.sessions[session.id] = session
        answer = await session.answer(await request.text())
        headers = {"Location": f"/whip/{session.id}"}
        return web.Response(
            status=201, text=answer, content_type="application/sdp", headers=headers
        )

    async def _trickle(self, request: web.Request) -> web.Response:
        return web.Response(status=204)  # connectivity checks show the publisher's address

    async def _end(self, request: web.Request) -> web.Response:
        session = self.sessions.get(request.match_info["session"])
        if session is None:
            raise web.HTTPNotFound
        await session.close()
        return web.Response()

    def _greeting(self, session: BaselineSession) -> list[str]:
        variant = self._variant.name
        return [
            message("welcome", session=session.id, variants=[variant], classes=self._names),
            message("hint", seq=1, **self._hint, variant=variant, reason="fixed"),
        ]

    # First in, first out

    def _enqueue(self, picture: QueuedPicture) -> None:
        device = self._device_of[picture.session.id]
        queue = self._devices[device].queue
        if len(queue) >= QUEUE:
            oldest = queue.popleft()
            oldest.session.send("results", message("dropped", rtp=oldest.rtp, reason="overload"))
        queue.append(picture)
        self._start_batch(device)

    def _start_batch(self, index: int) -> None:
        device = self._devices[index]
        if device.busy or not device.queue:
            return
        size = self._input_size(device.queue[0])
        batch: list[QueuedPicture] = []
        while device.queue and len(batch) < self.settings.max_batch:
            if self._input_size(device.queue[0]) != size:
                break
            batch.append(device.queue.popleft())
        number = next(self._batch_numbers)
        self._running[number] = batch, now_ms()
        device.busy = True
        pictures = [queued.picture for queued in batch]
        self._pool.submit(index, number, self._variant.name, pictures)

    def _input_size(self, queued: QueuedPicture) -> tuple[int, int]:
        return self._variant.input_size(queued.picture.width, queued.picture.height)

    def _done(self, device: int, number: int, outcome: BatchResult | BatchFailure) -> None:
        batch, dispatched_ms = self._running.pop(number)
        self._devices[device].busy = False
        if isinstance(outcome, BatchFailure):
            for queued in batch:
                queued.session.send("results", message("dropped", rtp=queued.rtp, reason="failed"))
        else:
            for queued, boxes in zip(batch, outcome.boxes, strict=True):
                self._answer(queued, boxes, len(batch), dispatched_ms, outcome.ended_ms)
        self._start_batch(device)

    def _answer(
        self,
        queued: QueuedPicture,
        boxes: Any,
        batch: int,
        dispatched_ms: float,
        inferred_ms: float,
    ) -> None:
        named = [(self._names[box[0]], *box[1:]) for box in boxes]
        times = {
            "captured": queued.received_ms,  # aiortc does not hand the capture time over
            "received": queued.received_ms,
            "decoded": queued.decoded_ms,
            "dispatched": dispatched_ms,
            "inferred": inferred_ms,
            "sent": now_ms(),
        }
        queued.session.answered += 1
        queued.session.send(
            "results", detections(queued.rtp, self._variant.name, batch, named, times)
        )
