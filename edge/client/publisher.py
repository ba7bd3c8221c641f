"""One session from the publisher's side: the connection, the page's protocol, the frames' outcomes.

What the video is, and how it obeys hints, is a subclass's: `edge.publish` sends cameras, the
laboratory (`netem.publisher`) clips that were encoded before. It speaks the page's protocol
(docs/embed/protocol.md).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Self

from edge.client.clocks import ServerClock, unix_ms
from edge.client.connection import AnswerError, SenderConnection
from edge.client.frame_outcomes import FrameOutcomes, PublishedFrame, PublisherStats
from edge.client.messages import ReceivedHint, report
from edge.client.rtp.rtp_packetiser import Codec
from edge.client.video_sender import START_BPS, VideoSender
from edge.client.watchdog import Watchdog
from edge.client.whip_client import PublishError, WhipClient
from edge.session.control.control_messages import VERSION, message

CONNECT_S = 15.0
SILENT_MS = 5_000.0  # without a message from the server: it is gone, whatever it says over HTTP
REPLIES = frozenset({"detections", "dropped", "pong"})  # sent because it has received something
REPORT_MS, SENDER_REPORT_MS = 500.0, 1_000.0
FINAL_BYES = frozenset({"ended", "excess", "abuse", "replaced"})  # publishing again would be wrong


class Publisher:
    """One session: `connect`, then `send` each frame and `do_periodic_work`, then `close`."""

    def __init__(
        self,
        whip: WhipClient,
        *,
        slo_ms: float = 100.0,
        label: str = "",
        fps: float | None = None,
        codecs: Sequence[Codec] = ("vp8",),
        query: Mapping[str, str] | None = None,
        start_bps: float = START_BPS,
    ) -> None:
        """`fps` is what the source delivers, None if unknown; `query` adds to the POST's."""
        self.label = label
        self.outcomes = FrameOutcomes(slo_ms)
        self.session: str | None = None
        self.hint: ReceivedHint | None = None
        self.reason: str | None = None
        """Why it ended; None while it runs."""
        self.final = False
        """Whether to publish again would be wrong: the server has ended the session on purpose."""
        self.asked_to_move = asyncio.Event()
        """The server wants another session in this one's place: publish with `replaces`."""
        self.server_stats: dict[str, Any] = {}
        self.estimate_bps: float | None = None
        """The server's estimate of the link (REMB); None before the first."""
        self._whip = whip
        self._fps = fps
        self._query = dict(query or {})
        self._connection = SenderConnection(
            on_rtcp=self._on_rtcp,
            on_message=self._on_message,
            on_open=self._on_open,
            on_state=self._on_state,
            codecs=codecs,
        )
        self._sender = VideoSender(
            self._connection, self._on_estimate, self.on_keyframe_request, start_bps
        )
        self._clock = ServerClock()
        self._unapplied_seq: int | None = None
        self._first_ms = 0.0
        self._report_due_ms = self._sender_report_due_ms = 0.0
        self._received_ms = 0.0
        self._watchdog = Watchdog()
        self._asking: asyncio.Task[None] | None = None
        self._open = asyncio.Event()
        self._changed = asyncio.Event()

    # What a subclass adds

    @property
    def sent_size(self) -> tuple[int, int] | tuple[()]:
        """(width, height) of the video being sent; empty before the first frame."""
        raise NotImplementedError

    def on_hint(self, hint: ReceivedHint) -> None:
        """Obey a hint, then call `hint_applied`."""

    def on_estimate(self, bps: float) -> None:
        """Keep to another estimate of the link."""

    def on_keyframe_request(self) -> None:
        """Send a key frame as soon as possible."""

    def on_result(self, received: Mapping[str, Any], frame: PublishedFrame | None) -> None:
        """A `detections` or `dropped` message has arrived; None if its frame is unknown."""

    # What everybody uses

    @property
    def whip_session(self) -> str:
        """What another session names as the one it `replaces`; empty before the answer."""
        return self._whip.session

    @property
    def sent_long_side(self) -> int:
        """The long side of the video being sent; 0 before the first frame."""
        return max(self.sent_size, default=0)

    @property
    def slo_ms(self) -> float:
        """The objective in force, which the server may have changed."""
        return self.outcomes.slo_ms

    def stats(self) -> PublisherStats:
        """The counts so far, over every frame that was not forgotten."""
        return self.outcomes.stats(
            resent=self._sender.resent, keyframes_asked=self._sender.keyframe_requests
        )

    async def wait_for(self, condition: Callable[[Self], object], timeout: float = 20.0) -> None:
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
        query = {"slo_ms": f"{self.slo_ms:g}", "label": self.label, **self._query}
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
            raise PublishError(f"{url}: {self.reason}", final=self.final)
        self._first_ms = self._received_ms = unix_ms()

    def rtp_at(self, captured_ms: float) -> int:
        """The 32-bit RTP timestamp of a frame captured at that Unix time."""
        return self._sender.rtp_of((captured_ms - self._first_ms) / 1000.0)

    def send(self, frame: PublishedFrame, data: bytes, *, droppable: bool = False) -> None:
        """Count a frame as captured, and send it."""
        self.outcomes.captured(frame)
        self._sender.send(frame, data, droppable=droppable)
        self._changed.set()

    def left_out(self, frame: PublishedFrame, reason: str) -> None:
        """Count a frame that was captured and is not sent."""
        frame.outcome = reason
        self.outcomes.captured(frame)
        self._changed.set()

    def hint_applied(self) -> None:
        """The last hint is obeyed: tell the server, once."""
        if self._unapplied_seq is not None:
            self._send("applied", seq=self._unapplied_seq)
            self._unapplied_seq = None

    def do_periodic_work(self, at_ms: float) -> None:
        """Sender reports, pings, reports and time-outs: to be called several times a second."""
        self.outcomes.expire(at_ms)
        if at_ms >= self._sender_report_due_ms:
            self._sender_report_due_ms = at_ms + SENDER_REPORT_MS
            elapsed_s = (at_ms - self._first_ms) / 1000.0
            self._sender.send_report(elapsed_s, at_ms, self.label or "clip")
        clock = self._clock
        self._watchdog.step(at_ms, clock.rtt_ms)
        if clock.ping_due(at_ms) or self._watchdog.pings:
            self._send("ping", t0_ms=unix_ms(), offset_ms=clock.offset_ms, rtt_ms=clock.rtt_ms)
        if at_ms >= self._report_due_ms:
            self._report_due_ms = at_ms + REPORT_MS
            rtt_ms = None if clock.rtt_ms is None else max(0.0, clock.rtt_ms)
            interval = self.outcomes.report()
            fields = report(interval, self.sent_size, self.estimate_bps, rtt_ms)
            self._send("report", fps=interval.sent * 1000.0 / REPORT_MS, **fields)
        if self._watchdog.asks and self._asking is None and self.reason is None:
            self._asking = asyncio.create_task(self._ask())
        if at_ms - self._received_ms > SILENT_MS:
            self.end(f"the server has been silent for {SILENT_MS / 1000:g} s")

    async def _ask(self) -> None:
        """End this session at once if the server has it no more."""
        try:
            gone = await self._whip.gone()
        finally:
            self._asking = None
        if gone and self._watchdog.asks:
            self.end("the server does not have the session any more")

    def lose_network(self) -> None:
        """Send nothing more, not even a good-bye, like a phone that enters a tunnel."""
        self._connection.lose_network()
        self._whip.location = ""
        self.end("network lost")

    def end(self, reason: str, *, final: bool = False) -> None:
        """Send no more video; the first reason is kept. `close` ends the session."""
        if self.reason is None:
            self.reason, self.final = reason, final
        self._sender.stop()
        self._open.set()
        self._changed.set()

    async def wait_for_answers(self) -> None:
        """Until the frames in flight are answered, or no answer can be in time any more."""
        if self.reason is None:
            with suppress(TimeoutError, PublishError):
                timeout_s = (self.slo_ms + 200.0) / 1000.0
                await self.wait_for(lambda me: not me.outcomes.pending, timeout_s)

    async def close(self) -> None:
        """End the session; frames that are still open become unanswered."""
        self.end("stopped")
        if self._asking is not None:
            self._asking.cancel()
        await self._connection.close()
        await self._whip.end()
        self.outcomes.close()

    def _on_rtcp(self, data: bytes) -> None:
        self._sender.on_rtcp(data)

    def _on_estimate(self, bps: float) -> None:
        self.estimate_bps = bps
        self.on_estimate(bps)

    def _on_open(self, label: str) -> None:
        if label == "control":
            self._open.set()
            self._send(
                "hello", version=VERSION, slo_ms=self.slo_ms, fps=self._fps, label=self.label
            )

    def _on_message(self, label: str, text: str) -> None:
        at_ms = self._received_ms = unix_ms()
        received = json.loads(text)
        if received.get("type") in REPLIES:
            self._watchdog.reset()
        match received.get("type"):
            case "detections":
                frame = self.outcomes.answered(received, at_ms, self._clock.offset_ms)
                self.on_result(received, frame)
            case "dropped":
                self.on_result(received, self.outcomes.dropped(received))
            case "welcome":
                self.session = received["session"]
                self.outcomes.slo_ms = received["slo_ms"]  # an operator may have set another
            case "hint":
                self.hint = ReceivedHint.read(received, at_ms)
                self._unapplied_seq = self.hint.seq
                self.on_hint(self.hint)
            case "pong":
                self._clock.on_pong(received, at_ms)
            case "stats":
                self.server_stats = received
            case "move":
                self.asked_to_move.set()
            case "bye":
                code = str(received["code"])
                self.end(f"{code}: {received['message']}", final=code in FINAL_BYES)
        self._changed.set()

    def _on_state(self, state: str) -> None:
        if state in ("failed", "closed"):
            self.end(f"the connection {state}")

    def _send(self, kind: str, **fields: object) -> None:
        self._connection.send_control(message(kind, **fields))
