"""A light publisher: WHIP and real video over real WebRTC transports, without browser or encoder.

It speaks the page's protocol (docs/embed/protocol.md), obeys hints, and counts every frame. Its
video was encoded before (`netem.footage.encoded_clip`), so a change takes effect at the clip's next
step.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from math import inf
from typing import Any
from urllib.parse import urljoin

import aiohttp

from edge.clock import now_ms
from edge.session.control_messages import VERSION, message
from netem.footage.encoded_clip import EncodedClip, Rendition
from netem.publisher.clip_stream import ClipStream, FrameToSend, PacketPacer
from netem.publisher.connection import SenderConnection, WireError
from netem.publisher.frame_outcomes import FrameOutcomes, PublishedFrame, PublisherStats
from netem.publisher.messages import ReceivedHint, RenditionChange, exchange, refusal, report
from netem.publisher.rtp_sender import Packetiser, read_feedback

START_BPS = 1_000_000.0  # until the server has told its estimate
START_LONG_SIDE = 320
CONNECT_S = 15.0
SILENT_MS = 5_000.0  # without a word from the server, which is pinged once a second: it is gone
REPORT_MS, SENDER_REPORT_MS = 500.0, 1_000.0
PING_MS, FIRST_PINGS, FIRST_PING_MS = 1_000.0, 10, 100.0
EPOCH_MS = time.time() * 1000.0 - now_ms()  # the monotonic clock's zero


class PublishError(Exception):
    """The server did not take the publisher, or is gone; the message says why."""


def unix_ms() -> float:
    """Unix milliseconds that never step, as the page's clock."""
    return EPOCH_MS + now_ms()


class LightPublisher:
    """One client. Made by `publishing`, which also ends it."""

    def __init__(
        self,
        url: str,
        clip: EncodedClip,
        *,
        slo_ms: float = 100.0,
        label: str = "",
        token: str | None = None,
        insecure: bool = False,
    ) -> None:
        self.url = url.rstrip("/") + "/"
        self.label = label
        self.ledger = FrameOutcomes(slo_ms)
        self.session: str | None = None
        self.hint: ReceivedHint | None = None
        self.hints: list[ReceivedHint] = []
        self.changes: list[RenditionChange] = []
        self.estimate_bps: float | None = None
        self.reason: str | None = None
        """Why it ended; None while it runs."""
        self.server_stats: dict[str, Any] = {}
        self._clip = clip
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._insecure = insecure
        self._wire = SenderConnection(
            on_rtcp=self._on_rtcp,
            on_message=self._on_message,
            on_open=self._on_open,
            on_state=self._on_state,
        )
        self._packets: Packetiser | None = None
        self._pacer = PacketPacer(START_BPS)
        self._pacing: asyncio.TimerHandle | None = None
        self._leaving: deque[tuple[int, PublishedFrame]] = (
            deque()
        )  # (packets until then, its frame)
        self._left = 0
        self._stream = ClipStream(clip.step, clip.run, clip.ticks)
        self._wanted: Rendition | None = None
        self._loading: asyncio.Task[None] | None = None
        self._applied: int | None = None
        self._rtp_origin = random.getrandbits(32)
        self._first_ms = 0.0
        # Publishers of the same clip begin at different places in it.
        self._shift = clip.step * random.randrange(clip.ticks // clip.step)
        self._due = {"ping": 0.0, "report": 0.0, "sender": 0.0}
        self._pings = 0
        self._exchanges: deque[tuple[float, float]] = deque(maxlen=30)  # (rtt, offset)
        self._heard_ms = 0.0
        self._open = asyncio.Event()
        self._news = asyncio.Event()
        self._lag_ms = 0.0
        self._resent = self._keyframes_asked = 0
        self._location: str | None = None

    # What can be seen of it

    @property
    def sent_long_side(self) -> int:
        """The longest side of what is being sent; 0 before the first frame."""
        return max(self.sent_size, default=0)

    @property
    def sent_size(self) -> tuple[int, int] | tuple[()]:
        encode = self._stream.encode
        return (encode.width, encode.height) if encode is not None else ()

    @property
    def slo_ms(self) -> float:
        return self.ledger.slo_ms

    @property
    def lag_ms(self) -> float:
        """The worst that it was behind its own frames."""
        return round(self._lag_ms, 1)

    def stats(self) -> PublisherStats:
        """Its counts so far; looks at every frame that it remembers."""
        return self.ledger.stats(
            lag_ms=self.lag_ms,
            resent=self._resent,
            keyframes_asked=self._keyframes_asked,
        )

    async def wait_for(
        self, wanted: Callable[[LightPublisher], object], timeout: float = 20.0
    ) -> None:
        """Until `wanted(self)` is true; PublishError if it ends before, TimeoutError after so long.

        Asked again after every frame, answer and message.
        """
        async with asyncio.timeout(timeout):
            while not wanted(self):
                if self.reason is not None:
                    raise PublishError(self.reason)
                self._news.clear()
                await self._news.wait()

    async def ended(self) -> str:
        """Until it has ended, and why."""
        while self.reason is None:
            self._news.clear()
            await self._news.wait()
        return self.reason

    # Its life

    async def connect(self, http: aiohttp.ClientSession) -> None:
        """Publish, and wait until the control channel is open: then the server's side of DTLS is
        done too, and no first key frame meets one that can't read it yet. Raises PublishError."""
        query = {"slo_ms": f"{self.slo_ms:g}", "label": self.label}
        headers = {"Content-Type": "application/sdp", **self._headers}
        try:
            async with http.post(
                urljoin(self.url, "whip"),
                data=await self._wire.offer(),
                headers=headers,
                params=query,
                ssl=not self._insecure,
            ) as response:
                answer = await response.text()
                if response.status != 201:
                    raise PublishError(f"{self.url}: {response.status}: {refusal(answer)}")
                self._location = urljoin(self.url, response.headers["Location"])
            self._packets = await self._wire.accept(answer)
            async with asyncio.timeout(CONNECT_S):
                await self._open.wait()
        except (aiohttp.ClientError, WireError, KeyError) as error:
            raise PublishError(f"{self.url}: {error or type(error).__name__}") from error
        except TimeoutError as error:
            raise PublishError(f"{self.url}: no connection within {CONNECT_S:g} s") from error
        if self.reason is not None:
            raise PublishError(f"{self.url}: {self.reason}")

    async def run(self) -> None:
        """Capture and send until it ends: by the server, or when this is cancelled."""
        interval_ms = 1000.0 / self._clip.fps
        if self._wanted is None:
            self._want(self._clip.rendition(START_LONG_SIDE, START_BPS))
        if self._loading is not None:
            await asyncio.shield(self._loading)  # the first frame is captured with video to send
        self._first_ms = self._heard_ms = unix_ms()
        tick = 0
        while self.reason is None:
            captured_ms = self._first_ms + tick * interval_ms
            await asyncio.sleep((captured_ms - unix_ms()) / 1000.0)
            at_ms = unix_ms()
            self._lag_ms = max(self._lag_ms, at_ms - captured_ms)
            # Frames that its own lateness leaves no time for are left out, as an encoder would.
            behind = at_ms - captured_ms > interval_ms
            self._capture(tick, captured_ms, inf if behind else self._pacer.waiting_ms)
            self._housekeep(at_ms)
            self._news.set()
            tick += 1

    def vanish(self) -> None:
        """Be gone without a word, as a phone in a tunnel."""
        self._wire.vanish()
        self._location = None
        self._end("vanished")

    async def close(self, http: aiohttp.ClientSession) -> None:
        """Say good-bye; what is still open then was not answered."""
        self._end("stopped")
        if self._pacing is not None:
            self._pacing.cancel()
        if self._loading is not None:
            with suppress(Exception):
                await self._loading  # a thread that encodes can't be stopped
        await self._wire.close()
        if self._location is not None:
            with suppress(aiohttp.ClientError, TimeoutError):
                async with asyncio.timeout(2.0):
                    await http.delete(self._location, headers=self._headers, ssl=not self._insecure)
        self.ledger.close()

    def _end(self, reason: str) -> None:
        if self.reason is None:
            self.reason = reason
        self._open.set()
        self._news.set()

    # A frame's way

    def _capture(self, tick: int, captured_ms: float, waiting_ms: float) -> None:
        place = (tick + self._shift) % self._clip.ticks
        rtp = (self._rtp_origin + tick * 90_000 // self._clip.fps) & 0xFFFFFFFF
        frame = PublishedFrame(tick, self._clip.sources[place], rtp, captured_ms)
        before = self._stream.encode
        chosen = self._stream.at(tick + self._shift, waiting_ms)
        if isinstance(chosen, str):
            frame.outcome = chosen
            self.ledger.captured(frame)
            return
        if chosen.encode is not before:
            self._rendition_changed(chosen, captured_ms)
        frame.size = (chosen.encode.width, chosen.encode.height)
        frame.bytes, frame.keyframe = len(chosen.data), chosen.keyframe
        self.ledger.captured(frame)
        assert self._packets is not None
        packets = self._packets.frame(chosen.data, rtp, captured_ms, droppable=chosen.droppable)
        self._leaving.append((self._packets.packets, frame))
        self._pacer.push(packets)
        self._pump()

    def _rendition_changed(self, chosen: FrameToSend, captured_ms: float) -> None:
        encode = chosen.encode
        self.changes.append(
            RenditionChange(encode.rendition, encode.width, encode.height, captured_ms)
        )
        if encode.rendition == self._wanted:
            self._say_applied()

    def _pump(self) -> None:
        """Let packets go, as the pacer allows."""
        assert self._packets is not None
        if self._pacing is not None:
            self._pacing.cancel()
            self._pacing = None
        while (packet := self._pacer.pop(at_ms := unix_ms())) is not None:
            self._wire.send(self._packets.stamp(packet, at_ms))
            self._left += 1
            if self._left == self._leaving[0][0]:
                self._leaving.popleft()[1].sent_ms = at_ms
        due_ms = self._pacer.next_ms()
        if due_ms is not None and self.reason is None:
            delay_s = max(0.001, (due_ms - unix_ms()) / 1000.0)
            self._pacing = asyncio.get_running_loop().call_later(delay_s, self._pump)

    def _on_rtcp(self, data: bytes) -> None:
        feedback = read_feedback(data)
        if feedback.remb_bps is not None:
            self.estimate_bps = self._pacer.estimate_bps = feedback.remb_bps
            self._choose()
        if feedback.keyframe:
            self._keyframes_asked += 1
            self._stream.want_keyframe()
        for sequence in feedback.nacked:
            packet = self._packets.again(sequence) if self._packets is not None else None
            if packet is not None and self._packets is not None:
                self._resent += self._wire.send(self._packets.stamp(packet, unix_ms()))

    # What to send

    def _choose(self) -> None:
        """The rendition that hint and estimate allow; the estimate alone until a hint has come."""
        hint, estimate_bps = self.hint, self.estimate_bps or START_BPS
        if hint is None:
            self._want(self._clip.rendition(START_LONG_SIDE, min(START_BPS, estimate_bps)))
        else:
            bps = min(hint.max_bps, estimate_bps)
            self._want(self._clip.rendition(hint.max_edge, bps, hint.fps))
            self._stream.share = hint.fps / self._clip.fps

    def _want(self, rendition: Rendition) -> None:
        self._wanted = rendition
        encode = self._clip.ready(rendition)
        if encode is not None:
            self._stream.want(encode)
            if self._stream.encode is encode:
                self._say_applied()
        elif self._loading is None:
            self._loading = asyncio.ensure_future(self._load())

    async def _load(self) -> None:
        """Have the rendition wanted made or read; by then another may be wanted."""
        try:
            while self._wanted is not None and self._clip.ready(self._wanted) is None:
                await asyncio.to_thread(self._clip.get, self._wanted)
        except Exception as error:
            self._end(f"no video to send: {error}")
            raise
        finally:
            self._loading = None
        if self._wanted is not None and self.reason is None:
            self._want(self._wanted)

    # Messages

    def _on_open(self, label: str) -> None:
        if label == "control":
            self._open.set()
            self._say(
                "hello", version=VERSION, slo_ms=self.slo_ms, fps=self._clip.fps, label=self.label
            )

    def _on_message(self, label: str, text: str) -> None:
        at_ms = self._heard_ms = unix_ms()
        heard = json.loads(text)
        match heard.get("type"):
            case "detections":
                best = min(self._exchanges, default=None)
                self.ledger.answered(heard, at_ms, best[1] if best else None)
            case "dropped":
                self.ledger.dropped(heard)
            case "welcome":
                self.session = heard["session"]
                self.ledger.slo_ms = heard["slo_ms"]  # the operator may have another in mind
            case "hint":
                self.hint = ReceivedHint.read(heard, at_ms)
                self.hints.append(self.hint)
                self._applied = self.hint.seq
                self._choose()
            case "pong":
                self._exchanges.append(exchange(heard, at_ms))
            case "stats":
                self.server_stats = heard
            case "bye":
                self._end(f"{heard['code']}: {heard['message']}")
        self._news.set()

    def _on_state(self, state: str) -> None:
        if state in ("failed", "closed"):
            self._end(f"the connection {state}")

    def _say(self, kind: str, **fields: object) -> None:
        self._wire.say(message(kind, **fields))

    def _say_applied(self) -> None:
        if self._applied is not None:
            self._say("applied", seq=self._applied)
            self._applied = None

    def _housekeep(self, at_ms: float) -> None:
        """What is due now and again, at the ticks: no timers of its own."""
        self.ledger.expire(at_ms)
        if at_ms >= self._due["sender"] and self._packets is not None:
            self._due["sender"] = at_ms + SENDER_REPORT_MS
            elapsed = round((at_ms - self._first_ms) * 90.0)
            name = self.label or "clip"
            self._wire.send(self._packets.report(self._rtp_origin + elapsed, at_ms, name))
        if at_ms >= self._due["ping"]:
            first = self._pings < FIRST_PINGS
            self._due["ping"] = at_ms + (FIRST_PING_MS if first else PING_MS)
            self._pings += 1
            rtt_ms, offset_ms = min(self._exchanges, default=(None, None))
            self._say("ping", t0_ms=unix_ms(), offset_ms=offset_ms, rtt_ms=rtt_ms)
        if at_ms >= self._due["report"]:
            self._due["report"] = at_ms + REPORT_MS
            self._report()
        if at_ms - self._heard_ms > SILENT_MS:
            self._end(f"the server has been silent for {SILENT_MS / 1000:g} s")

    def _report(self) -> None:
        rtt_ms = max(0.0, min(self._exchanges)[0]) if self._exchanges else None
        fields = report(self.ledger.report(), self.sent_size, self.estimate_bps, rtt_ms)
        self._say("report", fps=fields.pop("sent") * 1000.0 / REPORT_MS, **fields)


@asynccontextmanager
async def publishing(
    url: str,
    clip: EncodedClip | None = None,
    *,
    fps: int = 15,
    slo_ms: float = 100.0,
    label: str = "",
    token: str | None = None,
    insecure: bool = False,
) -> AsyncIterator[LightPublisher]:
    """A publisher that streams to the server at `url`; ended and counted up afterwards.

    `clip` defaults to the sample video at `fps` (which is the clip's, where one is given).
    `insecure` takes any certificate. Raises PublishError if the server does not take it; one that
    ends later has a `reason`.
    """
    if clip is None:
        clip = await asyncio.to_thread(EncodedClip, fps=fps)
    publisher = LightPublisher(
        url, clip, slo_ms=slo_ms, label=label, token=token, insecure=insecure
    )
    async with aiohttp.ClientSession() as http:
        task: asyncio.Task[None] | None = None
        try:
            await publisher.connect(http)
            task = asyncio.create_task(publisher.run(), name="publisher")
            yield publisher
        finally:
            await _finish(publisher, task, http)


async def _finish(
    publisher: LightPublisher, task: asyncio.Task[None] | None, http: aiohttp.ClientSession
) -> None:
    failed: BaseException | None = None
    if task is not None:
        failed = task.exception() if task.done() and not task.cancelled() else None
        task.cancel()
        await asyncio.wait([task])
    if publisher.reason is None:
        with suppress(TimeoutError, PublishError):  # frames on their way may still be answered
            timeout_s = (publisher.slo_ms + 200.0) / 1000.0
            await publisher.wait_for(lambda me: not me.ledger.pending, timeout_s)
    await publisher.close(http)
    if failed is not None:
        raise failed
