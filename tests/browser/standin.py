"""A WHIP server that a test can make do anything: full, silent, slow, with any hint and any answer.

It serves the real page, takes the video by the real receive path, and answers each frame with what
the test's `boxes` makes of it. The detector and the scheduler are what it stands in for.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
from aiohttp import web

from edge.api.pages import WEB, security_headers
from edge.assets import samples
from edge.base.clock import now_ms
from edge.ipc.picture import Picture
from edge.rtc.peer_connection import DecodedFrame, PeerConnection
from edge.rtc.transport import aiortc_adapter

from .cameras import read_barcode

CLASSES = ["person", "bicycle", "car"]
Box = tuple[str | int, float, float, float, float, float]
MODULES = Path(__file__).parent / "modules"


@dataclass
class Seen:
    """A frame as the server saw it."""

    index: int  # from its barcode, -1 without one
    width: int
    height: int
    total_bytes: int  # of RTP, from the start to this frame
    rtp: int


def seconds_between(first: Seen, last: Seen) -> float:
    """By the sender's timestamps: a busy machine hands frames over in bursts."""
    return ((last.rtp - first.rtp) & 0xFFFFFFFF) / 90_000


@dataclass
class Guest:
    """A session: what it said and sent."""

    id: str
    peer: PeerConnection | None = None
    query: dict[str, str] = field(default_factory=dict)
    messages: list[dict[str, Any]] = field(default_factory=list)
    frames: list[Seen] = field(default_factory=list)
    ended: bool = False
    replaced: bool = False  # by the one that named it, with that one's first answer

    def said(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message.get("type") == kind]

    def say(self, kind: str, **fields: Any) -> None:
        assert self.peer is not None
        self.peer.send("control", json.dumps({"type": kind, **fields}))


class Standin:
    """`async with serving() as standin:`; its attributes steer it while it runs."""

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.settings: dict[str, Any] = {
            "version": "test",
            "slo_ms": 250.0,
            "slo_choices": [75, 100, 150, 250, 500],
            "fps": 15.0,
            "sample": "/sample.webm",
            "ice_servers": [],
            "token_required": False,
            "models": [{"name": "tiny", "label": "tiny", "score_threshold": 0.25}],
            "whip": "/whip",
            "lan": None,
            "ca": None,
        }
        self.full_for = 0  # so many offers are refused with 503
        self.full_code: str | None = "full"  # the 503's code; None: with no JSON, as a proxy's
        self.retry_after = "1"
        self.room_from_ms = 0.0  # shorter objectives find the server busy
        self.token: str | None = None
        self.refusal: tuple[int, str] | None = None
        self.silent = False  # frames are seen and never answered
        self.mute = False  # nothing at all is said
        # What a frame is dropped with, in place of its answer.
        self.drop: Callable[[int], dict[str, Any] | None] = lambda index: None
        self.delay_ms: Callable[[int], float] = lambda index: 0.0
        self.boxes: Callable[[DecodedFrame, int], list[Box]] = lambda frame, index: []
        self.classes = CLASSES
        self.guests: list[Guest] = []
        self._changed = asyncio.Condition()
        self._runner: web.AppRunner | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    async def start(self) -> None:
        app = web.Application(middlewares=[security_headers()])
        app.add_routes(
            [
                web.get("/", self._page),
                web.get("/sample.webm", self._sample),
                web.get("/blank", self._blank),
                web.post("/whip", self._publish),
                web.get("/whip/{session}", self._state),
                web.delete("/whip/{session}", self._end),
                web.patch("/whip/{session}", self._trickle),
                web.static("/static", WEB / "static"),
                web.static("/modules", MODULES),
            ]
        )
        self._runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """As a crash would: nobody is told."""
        for guest in self.guests:
            if guest.peer is not None:
                await guest.peer.close()
                guest.peer = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def until(self, condition: Callable[[], Any], timeout_s: float = 120.0) -> Any:
        """Wait until a condition on what was seen holds; its value."""
        async with asyncio.timeout(timeout_s), self._changed:
            while not (value := condition()):
                await self._changed.wait()
        return value

    @property
    def guest(self) -> Guest:
        """The newest session."""
        return self.guests[-1]

    # Handlers

    async def _page(self, request: web.Request) -> web.Response:
        templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(WEB / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
        )
        html = templates.get_template("page.html").render(settings=self.settings, root="")
        return web.Response(text=html, content_type="text/html")

    async def _blank(self, request: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>blank</title>", content_type="text/html")

    async def _sample(self, request: web.Request) -> web.FileResponse:
        return web.FileResponse(
            await asyncio.to_thread(lambda: samples.webm(samples.street_video()))
        )

    async def _publish(self, request: web.Request) -> web.Response:
        def refused(status: int, code: str, **headers: str) -> web.Response:
            body = {"error": {"code": code, "message": f"no: {code}"}}
            return web.json_response(body, status=status, headers=headers)

        if self.refusal is not None:
            return refused(*self.refusal)
        if (
            self.token is not None
            and request.headers.get("Authorization") != f"Bearer {self.token}"
        ):
            return refused(401, "unauthorized")
        if self.full_for > 0:
            self.full_for -= 1
            headers = {"Retry-After": self.retry_after}
            if self.full_code is None:
                return web.Response(status=503, text="<h1>away</h1>", headers=headers)
            own = self.full_code in ("too_many", "address_full", "token_full")
            return refused(429 if own else 503, self.full_code, **headers)
        if float(request.query.get("slo_ms", "inf")) < self.room_from_ms:
            error = {"code": "busy", "message": "no: busy", "slo_ms": self.room_from_ms}
            headers = {"Retry-After": self.retry_after}
            return web.json_response({"error": error}, status=503, headers=headers)
        replaces = request.query.get("replaces")
        if replaces is not None and self._guest(replaces) is None:
            return refused(400, "bad_query")
        guest = Guest(id=f"s{len(self.guests)}", query=dict(request.query))
        guest.peer = PeerConnection(
            slo_ms=250.0,
            on_frame=lambda frame: self._frame(guest, frame),
            on_lost=lambda rtps, reason: self._lost(guest, list(rtps), reason),
            on_message=lambda label, text: self._message(guest, text),
            on_channel=lambda label: None,
            on_state=lambda state: self._notify(),
        )
        answer = await guest.peer.answer(await request.text())
        self.guests.append(guest)
        self._notify()
        headers = {"Location": f"/whip/{guest.id}", "ETag": '"1"'}
        return web.Response(
            status=201, text=answer, content_type="application/sdp", headers=headers
        )

    async def _trickle(self, request: web.Request) -> web.Response:
        return web.Response(status=204)

    async def _end(self, request: web.Request) -> web.Response:
        guest = self._guest(request.match_info["session"])
        if guest is not None:
            guest.ended = True
            if guest.peer is not None:
                await guest.peer.close()
        self._notify()
        return web.Response()

    async def _state(self, request: web.Request) -> web.Response:
        guest = self._guest(request.match_info["session"])
        if guest is None or guest.ended or guest.replaced or guest.peer is None:
            return web.Response(status=404)
        return web.json_response({"state": "live"})

    def _guest(self, session: str) -> Guest | None:
        return next((guest for guest in self.guests if guest.id == session), None)

    async def _replace(self, session: str) -> None:
        """As the server does with the first answer of the session that is to replace that one."""
        old = self._guest(session)
        if old is None or old.ended or old.replaced:
            return
        old.replaced = True
        if old.peer is not None:
            old.say("bye", code="replaced", message="replaced by another")
            await old.peer.close()
        self._notify()

    @staticmethod
    def cut(guest: Guest) -> None:
        """Its path is gone, and nobody is told: neither end hears the other."""
        assert guest.peer is not None
        assert guest.peer._connection is not None
        aiortc_adapter.abort_sockets(guest.peer._connection)

    # What a session says and sends

    def _message(self, guest: Guest, text: str | bytes) -> None:
        received_ms = now_ms()
        message = json.loads(text)
        guest.messages.append(message)
        if self.mute:
            return
        if message["type"] == "ping":
            guest.say("pong", t0_ms=message["t0_ms"], t1_ms=received_ms, t2_ms=now_ms())
            offset_ms = message.get("offset_ms")
            if offset_ms is not None and guest.peer is not None:
                guest.peer.clock.set_offset(offset_ms, message.get("rtt_ms", 0.0))
        elif message["type"] == "hello":
            guest.say(
                "welcome",
                session=guest.id,
                slo_ms=message["slo_ms"],
                variants=["yolov4-tiny-416"],
                classes=self.classes,
            )
        self._notify()

    def _frame(self, guest: Guest, frame: DecodedFrame) -> None:
        index = read_barcode(Picture.from_av(frame.image).y)
        total_bytes = guest.peer.counts.bytes if guest.peer is not None else 0
        guest.frames.append(Seen(index, frame.width, frame.height, total_bytes, frame.rtp))
        self._notify()
        if not self.silent and not self.mute:
            self._spawn(self._answer(guest, frame, index))

    def _lost(self, guest: Guest, rtps: list[int], reason: str) -> None:
        for rtp in rtps:
            if guest.peer is not None and not self.mute:
                text = json.dumps({"type": "dropped", "rtp": rtp, "reason": reason})
                guest.peer.send("results", text)

    async def _answer(self, guest: Guest, frame: DecodedFrame, index: int) -> None:
        await asyncio.sleep(self.delay_ms(index) / 1000.0)
        if guest.peer is None or self.mute:
            return
        dropped = self.drop(index)
        if dropped is not None:
            text = json.dumps({"type": "dropped", "rtp": frame.rtp, **dropped})
            guest.peer.send("results", text)
            return
        sent_ms = now_ms()
        times = {
            "captured": frame.captured_ms,
            "received": frame.received_ms,
            "decoded": frame.decoded_ms,
            "dispatched": frame.decoded_ms,
            "inferred": sent_ms,
            "sent": sent_ms,
        }
        message = {
            "type": "detections",
            "rtp": frame.rtp,
            "variant": "yolov4-tiny-416",
            "batch": 1,
            "boxes": self.boxes(frame, index),
            "t": times,
        }
        guest.peer.send("results", json.dumps(message))
        if "replaces" in guest.query:
            await self._replace(guest.query["replaces"])

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _notify(self) -> None:
        async def notify() -> None:
            async with self._changed:
                self._changed.notify_all()

        self._spawn(notify())


@asynccontextmanager
async def serving(**attributes: Any) -> AsyncIterator[Standin]:
    """A running stand-in with some attributes set."""
    standin = Standin()
    for name, value in attributes.items():
        setattr(standin, name, value)
    await standin.start()
    try:
        yield standin
    finally:
        await standin.stop()
