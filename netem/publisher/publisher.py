"""A light publisher: WHIP and real video over real WebRTC transports, without browser or encoder.

It speaks the page's protocol (docs/embed/protocol.md), obeys hints and counts every frame. Its
video was encoded before (`netem.footage.encoded_clip`), so a change takes effect at the clip's next
step.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from math import inf
from typing import Any

import aiohttp

from edge.session.control_messages import VERSION, message
from netem.footage.encoded_clip import EncodedClip
from netem.publisher.clip_stream import ClipStream
from netem.publisher.clocks import ServerClock, unix_ms
from netem.publisher.connection import AnswerError, SenderConnection
from netem.publisher.frame_outcomes import FrameOutcomes, PublishedFrame, PublisherStats
from netem.publisher.messages import ReceivedHint, RenditionChange, report
from netem.publisher.rendition_selector import RenditionSelector
from netem.publisher.video_sender import VideoSender
from netem.publisher.whip_client import PublishError, WhipClient

CONNECT_S = 15.0
SILENT_MS = 5_000.0  # without a message from the server, which is pinged once a second: it is gone
REPORT_MS, SENDER_REPORT_MS = 500.0, 1_000.0


class LightPublisher:
    """One client. Made by `publishing`, which also ends it."""

    def __init__(
        self, whip: WhipClient, clip: EncodedClip, *, slo_ms: float = 100.0, label: str = ""
    ) -> None:
        self.label = label
        self.outcomes = FrameOutcomes(slo_ms)
        self.session: str | None = None
        self.hint: ReceivedHint | None = None
        self.hints: list[ReceivedHint] = []
        self.changes: list[RenditionChange] = []
        self.reason: str | None = None
        """Why it ended; None while it runs."""
        self.server_stats: dict[str, Any] = {}
        self._whip = whip
        self._clip = clip
        self._connection = SenderConnection(
            on_rtcp=self._on_rtcp,
            on_message=self._on_message,
            on_open=self._on_open,
            on_state=self._on_state,
        )
        self._stream = ClipStream(clip.step, clip.run, clip.ticks)
        self._selector = RenditionSelector(clip, self._stream, self._send_applied, self._end)
        self._sender = VideoSender(
            self._connection, self._selector.on_estimate, self._stream.want_keyframe
        )
        self._clock = ServerClock()
        self._unapplied_seq: int | None = None
        self._first_ms = 0.0
        # Publishers of the same clip begin at different places in it.
        self._shift = clip.step * random.randrange(clip.ticks // clip.step)
        self._report_due_ms = self._sender_report_due_ms = 0.0
        self._received_ms = 0.0
        self._open = asyncio.Event()
        self._changed = asyncio.Event()
        self._lag_ms = 0.0

    @property
    def sent_long_side(self) -> int:
        """The long side of the video being sent; 0 before the first frame."""
        return max(self.sent_size, default=0)

    @property
    def sent_size(self) -> tuple[int, int] | tuple[()]:
        """(width, height) of the video being sent; empty before the first frame."""
        encode = self._stream.encode
        return (encode.width, encode.height) if encode is not None else ()

    @property
    def slo_ms(self) -> float:
        """The objective in force, which the server may have changed."""
        return self.outcomes.slo_ms

    @property
    def lag_ms(self) -> float:
        """The greatest delay of the capture loop behind its frames' times."""
        return round(self._lag_ms, 1)

    def stats(self) -> PublisherStats:
        """The counts so far, over every frame that was not forgotten."""
        return self.outcomes.stats(
            lag_ms=self.lag_ms,
            resent=self._sender.resent,
            keyframes_asked=self._sender.keyframe_requests,
        )

    async def wait_for(
        self, condition: Callable[[LightPublisher], object], timeout: float = 20.0
    ) -> None:
        """Until `condition(self)` holds; it is checked after every frame, answer and message.

        Raises PublishError if the publisher ends before, TimeoutError after `timeout` seconds.
        """
        async with asyncio.timeout(timeout):
            while not condition(self):
                if self.reason is not None:
                    raise PublishError(self.reason)
                self._changed.clear()
                await self._changed.wait()

    async def ended(self) -> str:
        """Until it has ended; the reason."""
        while self.reason is None:
            self._changed.clear()
            await self._changed.wait()
        return self.reason

    async def connect(self) -> None:
        """Publish, and wait until the control channel is open. Raises PublishError.

        By then the server's side of DTLS is complete as well, so it can decrypt the first key
        frame.
        """
        url = self._whip.url
        query = {"slo_ms": f"{self.slo_ms:g}", "label": self.label}
        answer = await self._whip.publish(await self._connection.offer(), query)
        try:
            self._sender.start(await self._connection.accept(answer))
            async with asyncio.timeout(CONNECT_S):
                await self._open.wait()
        except AnswerError as error:
            raise PublishError(f"{url}: {error}") from error
        except TimeoutError as error:
            raise PublishError(f"{url}: no connection within {CONNECT_S:g} s") from error
        if self.reason is not None:
            raise PublishError(f"{url}: {self.reason}")

    async def run(self) -> None:
        """Capture and send until the server ends the session or this task is cancelled."""
        interval_ms = 1000.0 / self._clip.fps
        await self._selector.start()  # the first frame is captured with video to send
        self._first_ms = self._received_ms = unix_ms()
        tick = 0
        while self.reason is None:
            captured_ms = self._first_ms + tick * interval_ms
            await asyncio.sleep((captured_ms - unix_ms()) / 1000.0)
            at_ms = unix_ms()
            self._lag_ms = max(self._lag_ms, at_ms - captured_ms)
            # A frame over an interval late is left out, as an encoder would.
            late = at_ms - captured_ms > interval_ms
            self._capture(tick, captured_ms, inf if late else self._sender.waiting_ms)
            self._do_periodic_work(at_ms)
            self._changed.set()
            tick += 1

    def lose_network(self) -> None:
        """Send nothing more, not even a good-bye, like a phone that enters a tunnel."""
        self._connection.lose_network()
        self._whip.location = ""
        self._end("network lost")

    async def close(self) -> None:
        """End the session; frames that are still open become unanswered."""
        self._end("stopped")
        self._sender.stop()
        await self._selector.stop()
        await self._connection.close()
        await self._whip.end()
        self.outcomes.close()

    def _end(self, reason: str) -> None:
        if self.reason is None:
            self.reason = reason
        self._sender.stop()
        self._open.set()
        self._changed.set()

    def _capture(self, tick: int, captured_ms: float, waiting_ms: float) -> None:
        place = (tick + self._shift) % self._clip.ticks
        rtp = self._sender.rtp_of(tick / self._clip.fps)
        frame = PublishedFrame(tick, self._clip.sources[place], rtp, captured_ms)
        before = self._stream.encode
        encoded = self._stream.at(tick + self._shift, waiting_ms)
        if isinstance(encoded, str):
            frame.outcome = encoded
            self.outcomes.captured(frame)
            return
        encode = encoded.encode
        if encode is not before:
            change = RenditionChange(encode.rendition, encode.width, encode.height, captured_ms)
            self.changes.append(change)
            self._selector.on_sent(encode.rendition)
        frame.size = (encode.width, encode.height)
        frame.bytes, frame.keyframe = len(encoded.data), encoded.keyframe
        self.outcomes.captured(frame)
        self._sender.send(frame, encoded)

    def _on_rtcp(self, data: bytes) -> None:
        self._sender.on_rtcp(data)

    def _on_open(self, label: str) -> None:
        if label == "control":
            self._open.set()
            self._send(
                "hello", version=VERSION, slo_ms=self.slo_ms, fps=self._clip.fps, label=self.label
            )

    def _on_message(self, label: str, text: str) -> None:
        at_ms = self._received_ms = unix_ms()
        received = json.loads(text)
        match received.get("type"):
            case "detections":
                self.outcomes.answered(received, at_ms, self._clock.offset_ms)
            case "dropped":
                self.outcomes.dropped(received)
            case "welcome":
                self.session = received["session"]
                self.outcomes.slo_ms = received["slo_ms"]  # an operator may have set another
            case "hint":
                self.hint = ReceivedHint.read(received, at_ms)
                self.hints.append(self.hint)
                self._unapplied_seq = self.hint.seq
                self._selector.on_hint(self.hint)
            case "pong":
                self._clock.on_pong(received, at_ms)
            case "stats":
                self.server_stats = received
            case "bye":
                self._end(f"{received['code']}: {received['message']}")
        self._changed.set()

    def _on_state(self, state: str) -> None:
        if state in ("failed", "closed"):
            self._end(f"the connection {state}")

    def _send(self, kind: str, **fields: object) -> None:
        self._connection.send_control(message(kind, **fields))

    def _send_applied(self) -> None:
        if self._unapplied_seq is not None:
            self._send("applied", seq=self._unapplied_seq)
            self._unapplied_seq = None

    def _do_periodic_work(self, at_ms: float) -> None:
        """Sender reports, pings, reports and time-outs: done at the ticks, without timers."""
        self.outcomes.expire(at_ms)
        if at_ms >= self._sender_report_due_ms:
            self._sender_report_due_ms = at_ms + SENDER_REPORT_MS
            elapsed_s = (at_ms - self._first_ms) / 1000.0
            self._sender.send_report(elapsed_s, at_ms, self.label or "clip")
        clock = self._clock
        if clock.ping_due(at_ms):
            self._send("ping", t0_ms=unix_ms(), offset_ms=clock.offset_ms, rtt_ms=clock.rtt_ms)
        if at_ms >= self._report_due_ms:
            self._report_due_ms = at_ms + REPORT_MS
            rtt_ms = None if clock.rtt_ms is None else max(0.0, clock.rtt_ms)
            interval, estimate_bps = self.outcomes.report(), self._selector.estimate_bps
            fields = report(interval, self.sent_size, estimate_bps, rtt_ms)
            self._send("report", fps=interval.sent * 1000.0 / REPORT_MS, **fields)
        if at_ms - self._received_ms > SILENT_MS:
            self._end(f"the server has been silent for {SILENT_MS / 1000:g} s")


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
    """A publisher that streams to the server at `url`; ended, with all frames counted, afterwards.

    `clip` defaults to the sample video at `fps`; a given clip has its own frame rate. `insecure`
    accepts any certificate. Raises PublishError if the server refuses the publisher; one that ends
    later has a `reason`.
    """
    if clip is None:
        clip = await asyncio.to_thread(EncodedClip, fps=fps)
    async with aiohttp.ClientSession() as http:
        whip = WhipClient(http, url, token=token, insecure=insecure)
        publisher = LightPublisher(whip, clip, slo_ms=slo_ms, label=label)
        task: asyncio.Task[None] | None = None
        try:
            await publisher.connect()
            task = asyncio.create_task(publisher.run(), name="publisher")
            yield publisher
        finally:
            await _finish(publisher, task)


async def _finish(publisher: LightPublisher, task: asyncio.Task[None] | None) -> None:
    failed: BaseException | None = None
    if task is not None:
        failed = task.exception() if task.done() and not task.cancelled() else None
        task.cancel()
        await asyncio.wait([task])
    if publisher.reason is None:
        with suppress(TimeoutError, PublishError):  # frames in flight may still be answered
            timeout_s = (publisher.slo_ms + 200.0) / 1000.0
            await publisher.wait_for(lambda me: not me.outcomes.pending, timeout_s)
    await publisher.close()
    if failed is not None:
        raise failed
