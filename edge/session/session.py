"""One publisher: its connection, its frames' way through the server, what it is told."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from typing import Literal

import av

from edge.adaptation.hint_controller import Hint
from edge.adaptation.latency_budget import LatencyBudget, infeasible
from edge.adaptation.measurements import SessionMeasurements
from edge.api import turn
from edge.batching.batcher import FrameRequest
from edge.batching.dispatcher import Answer, Intake, Job
from edge.clock import now_ms
from edge.config import Settings
from edge.ipc.picture import Picture
from edge.observability.last_picture import LastPicture, Named
from edge.observability.logs import of_session
from edge.observability.metrics_data import FrameMetrics
from edge.rtc.peer_connection import DecodedFrame, PeerConnection
from edge.scheduling.assignment import Assignment, Pins, Snapshot
from edge.session import actions
from edge.session.control_channel import ControlChannel
from edge.session.control_messages import VERSION, Applied, Hello, Ping, Report, detections, message
from edge.session.frame_statistics import FrameStatistics
from edge.session.frame_timeline import FrameTimeline
from edge.session.interface import SessionIdentity
from edge.session.liveness import LivenessMonitor
from edge.session.rate_limits import FramePacer
from edge.session.result_streams import ResultStreams
from edge.session.session_adaptation import SessionAdaptation, measure
from edge.session.view import SessionView, told

log = logging.getLogger("edge.session.session")

State = Literal["connecting", "live", "closed"]

STATS_EVERY_MS = 1_000.0
BACK_MS = 2.0  # the way back until it has been measured


class Session:
    """A publisher and its frames.

    Each frame that came in ends in exactly one of `outcomes`: answered, or dropped by reason.
    `on_dead(session, reason, code)` is called once when the session should be ended from within,
    `on_step` when its link got much worse, after its own hint.
    """

    def __init__(
        self,
        settings: Settings,
        intake: Intake,
        hints: SessionAdaptation,
        *,
        class_names: Sequence[str],
        on_dead: Callable[[Session, str, str], None],
        on_step: Callable[[], None] = lambda: None,
        meter: FrameMetrics | None = None,
        slo_ms: float | None = None,
        label: str = "",
        classes: frozenset[str] | None = None,
        identity: SessionIdentity | None = None,
    ) -> None:
        identity = identity or SessionIdentity.fresh()
        self.id, self.etag = identity.id, identity.etag
        self.name = self.id[:6]  # what logs call it
        self.label = label
        self.slo_ms = slo_ms or settings.slo_ms
        self.fps = settings.fps
        self.ledger = FrameStatistics(meter or FrameMetrics())
        self.outcomes = self.ledger.outcomes
        self.budget = LatencyBudget()
        self.report: Report | None = None
        self.size: tuple[int, int] | None = None
        self._state: State = "connecting"
        self._settings = settings
        self._intake = intake
        self._hints = hints
        self._class_names = list(class_names)
        self._classes = classes
        self._on_dead = on_dead
        self._on_step = on_step
        self._streams = ResultStreams()
        self.opened_ms = now_ms()
        self._pulse = LivenessMonitor(settings, self.opened_ms)
        self._stats_ms = 0.0
        self._told_too_large_ms = 0.0
        self._inbox = ControlChannel(
            settings.max_messages_per_s,
            settings.max_message_bytes,
            lambda code, words: self._say("error", code=code, message=words),
        )
        self._pacer = FramePacer()
        self._seen: tuple[av.VideoFrame, list[Named]] | None = None  # kept where switched on
        self.peer = PeerConnection(
            ice_servers=turn.ice_servers(settings, self.name, time.time()),
            slo_ms=self.slo_ms,
            on_frame=self._on_frame,
            on_lost=self._on_lost,
            on_message=self._on_message,
            on_channel=self._on_channel,
            on_state=self._on_peer_state,
            on_step=self._on_link_step,
            rate_control=settings.rate_control,
            max_pixels=settings.max_pixels,
            ports=settings.udp_port_range,
            announce=[str(address) for address in settings.announce],
        )
        self.peer.rate.remb.max_cap_bps = float(settings.max_bps)

    @property
    def state(self) -> State:
        return self._state

    @property
    def hint(self) -> Hint | None:
        return self._hints.current

    @property
    def asked_fps(self) -> float:
        """Frames a second that the publisher is asked for."""
        return self.fps if self.hint is None else self.hint.fps

    @property
    def pins(self) -> Pins:
        return self._hints.pins

    async def look(self) -> str | None:
        """The picture it was last answered on; None if there is none, or they are not kept."""
        if self._seen is None:
            return None
        return (await asyncio.to_thread(LastPicture.of, *self._seen)).to_text()

    def act(self, action: actions.Change) -> None:
        """What the operator asks."""
        match action:
            case actions.SetSlo(slo_ms=slo_ms):
                self._set_slo(slo_ms)
                self.peer.send("control", self._welcome())  # which tells the objective
            case actions.PinVariant(variant=variant):
                self._hints.pins = replace(self.pins, variant=variant)
            case actions.PinSize(edge=edge):
                self._hints.pins = replace(self.pins, edge=edge)

    async def answer(self, offer: str) -> str:
        with of_session(self.name):
            return await self.peer.answer(offer)

    async def add_candidates(self, fragment: str) -> None:
        await self.peer.add_candidates(fragment)

    async def close(self, reason: str, code: str = "ended") -> None:
        """Tell the publisher, let go of everything; frames on their way end as they come."""
        if self._state == "closed":
            return
        self._become("closed")
        self._say("bye", code=code, message=reason)
        self._streams.put(message("bye", code=code, message=reason))
        self._intake.remove(self.id)
        self._streams.end()
        await self.peer.close()

    def subscribe(self) -> AbstractContextManager[asyncio.Queue[str | None]]:
        """Results for a publisher without data channels: `edge.session.result_streams`."""
        return self._streams.open(self._welcome())

    def tick(self, now: float) -> None:
        """Several times a second: is the publisher still there, does its hint still fit?"""
        if self._state == "closed":
            return
        counts = self.peer.counts
        over = self._pulse.over(self._state == "live", counts.bytes, counts.frames, now)
        if over is not None:
            self._die(*over)
        elif self._state == "live":
            self._hint(now)
            if now - self._stats_ms >= STATS_EVERY_MS:
                self._stats_ms = now
                self._say("stats", **told(self))

    # From the connection

    def _on_frame(self, frame: DecodedFrame) -> None:
        self._pulse.media(frame.decoded_ms)
        if self._state == "closed":
            return
        self._become("live")
        self.ledger.came(frame.decoded_ms)
        self.size = (frame.width, frame.height)
        network_ms = frame.received_ms - frame.captured_ms
        hopeless = infeasible(self.slo_ms, network_ms)
        if not hopeless:  # else nothing that is planned would help it, and plans would suffer
            self.budget.observe("network", network_ms, frame.decoded_ms)
        self.budget.observe("decode", frame.decoded_ms - frame.received_ms, frame.decoded_ms)
        if not self._pacer.admits(self.asked_fps, frame.decoded_ms):
            self._dropped(frame.rtp, "paced", hopeless)
            return
        request = FrameRequest(
            session=self.id,
            rtp=frame.rtp,
            size=self.size,
            ready_ms=frame.decoded_ms,
            deadline_ms=frame.captured_ms + self.slo_ms - self._back_ms(),
            variants=self._hints.variants,
            payload=Job(
                Picture.from_av(frame.image),
                answered=lambda answer: self._answered(frame, answer, hopeless),
                dropped=lambda reason: self._dropped(frame.rtp, reason, hopeless),
            ),
        )
        self._intake.offer(request)

    def _on_lost(self, rtps: Sequence[int], reason: str) -> None:
        now = now_ms()
        self._pulse.media(now)
        if self._state == "closed":
            return
        self._become("live")  # media flows, though this was of no use
        for rtp in rtps:
            self._dropped(rtp, reason)
        if reason == "too_large" and now - self._told_too_large_ms > STATS_EVERY_MS:
            self._told_too_large_ms = now
            rule = f"this server takes pictures of at most {self._settings.max_pixels} pixels"
            self._say("error", code="too_large", message=rule)

    def _on_channel(self, label: str) -> None:
        if label == "control":
            self._hints.restate()
            self._hint(now_ms())

    def _on_peer_state(self, state: str) -> None:
        if state in ("failed", "closed"):
            self._die(f"the connection {state}")

    def _on_link_step(self) -> None:
        """In mid-frame: the next one shall be smaller already."""
        if self._state != "live":
            return
        self._hint(now_ms(), urgent=True)
        self._on_step()

    def _on_message(self, label: str, text: str | bytes) -> None:
        """A control message; whatever is wrong with it, the answer is an error message."""
        if label != "control" or self._state == "closed":
            return
        received_ms = now_ms()
        match incoming := self._inbox.read(text, received_ms):
            case Hello():
                self._on_hello(incoming)
            case Ping():
                self._pulse.ping(received_ms)
                self.peer.clock.observe_ping(incoming.t0_ms, received_ms)
                if incoming.offset_ms is not None:
                    self.peer.clock.set_offset(incoming.offset_ms, incoming.rtt_ms or 0.0)
                self._say("pong", t0_ms=incoming.t0_ms, t1_ms=received_ms, t2_ms=now_ms())
            case Report():
                self.report = incoming
                back = incoming.back_ms.p50_ms if incoming.back_ms else None
                if back is not None:
                    self.budget.observe("back", back, received_ms)
            case Applied():
                self._on_applied(incoming.seq)
            case None:
                pass

    def _on_hello(self, hello: Hello) -> None:
        if hello.version != VERSION:
            self._say("error", code="version", message=f"this server speaks version {VERSION} only")
            return
        if hello.slo_ms is not None:
            self._set_slo(hello.slo_ms)
        if hello.fps is not None:
            self.fps = min(hello.fps, self._settings.fps)
        if hello.label is not None:
            self.label = hello.label
        self.peer.send("control", self._welcome())
        self._hints.restate()
        self._hint(now_ms())

    def _set_slo(self, slo_ms: float) -> None:
        self.slo_ms = slo_ms
        self.peer.set_slo(slo_ms)

    def _on_applied(self, seq: int) -> None:
        """The encoder is capped by the hint now, so the estimate need not hold it down as well."""
        if self.hint is not None and seq == self.hint.seq:
            self.peer.rate.set_cap(float(self.hint.max_bps), now_ms())

    # A frame's end

    def _answered(self, frame: DecodedFrame, answer: Answer, hopeless: bool) -> None:
        named: list[Named] = [(self._class_names[box[0]], *box[1:]) for box in answer.boxes]
        if self._classes is not None:
            named = [box for box in named if box[0] in self._classes]
        if self._settings.admin_pictures:
            self._seen = (frame.image, named)
        now = now_ms()
        way = FrameTimeline.of(frame, answer, now)
        legs = way.legs(self._back_ms(0.5))
        self.budget.observe("queue", legs["queue"], now)
        self.budget.observe("inference", legs["inference"], now)
        self.ledger.answered(
            legs, self.slo_ms, now, device=answer.device, variant=answer.variant, hopeless=hopeless
        )
        self._tell_result(detections(frame.rtp, answer.variant, answer.batch, named, asdict(way)))

    def _dropped(self, rtp: int, reason: str, hopeless: bool = False) -> None:
        """A frame that gets no answer; `hopeless`: the network alone had eaten its objective."""
        self.ledger.dropped(reason, hopeless)
        self._tell_result(
            message("dropped", rtp=rtp, reason=reason, infeasible=True if hopeless else None)
        )

    def _tell_result(self, text: str) -> None:
        self.peer.send("results", text)  # unreliable: refused when it would only queue
        self._streams.put(text)

    # To the publisher

    def _welcome(self) -> str:
        return message(
            "welcome",
            session=self.id,
            slo_ms=self.slo_ms,
            variants=self._hints.variant_names,
            classes=self._class_names,
        )

    def view(self, now_ms: float) -> SessionView:
        """What the operator has to know of it."""
        return SessionView.of(self, now_ms)

    def snapshot(self, now_ms: float) -> Snapshot:
        """What the planner has to know of it."""
        return self._hints.snapshot(self.id, self._measured(now_ms))

    @property
    def assignment(self) -> Assignment | None:
        """Its part of the plan in force; None before the first plan."""
        return self._hints.assignment

    def assign(self, assignment: Assignment, now_ms: float) -> None:
        """Its part of the plan in force; the publisher is told what that asks of it."""
        self._hints.assign(assignment)
        if self._state != "closed":
            self._hint(now_ms)

    def _hint(self, now: float, *, urgent: bool = False) -> None:
        hint = self._hints.decide(self._measured(now), now, urgent=urgent)
        if hint is not None:
            self._say("hint", **asdict(hint))

    def _measured(self, now: float) -> SessionMeasurements:
        ours = self._settings.rate_control == "trains"  # else the hint leaves the bits alone
        return measure(
            self.budget,
            self.peer.rate if ours else None,
            now,
            size=self.size,
            slo_ms=self.slo_ms,
            fps=self.fps,
            available_bps=self.report.available_bps if self.report else None,
        )

    def _say(self, kind: str, **fields: object) -> None:
        self.peer.send("control", message(kind, **fields))

    def _back_ms(self, q: float = 0.9) -> float:
        measured = self.budget.quantile("back", q)
        return BACK_MS if measured is None else min(measured, self.slo_ms / 2)

    def _become(self, state: State) -> None:
        if state != self._state:
            log.debug("event=state session=%s from=%s to=%s", self.name, self._state, state)
            self._state = state

    def _die(self, reason: str, code: str = "timeout") -> None:
        if self._state != "closed":
            self._on_dead(self, reason, code)
