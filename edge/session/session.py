"""One publisher: its connection, its channels, and the messages on them.

`frame_accounting` accounts for its frames, `session_adaptation` for its part of the plan.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Literal

from edge.adaptation.hint_controller import Hint
from edge.adaptation.measurements import SessionMeasurements
from edge.base.clock import now_ms
from edge.base.event_log import bound_contextvars, get_logger
from edge.batching.dispatcher import FrameSink
from edge.clips.writer import ClipWriter
from edge.config import Settings
from edge.models.registry.model import Model
from edge.observability.frame_metrics import FrameMetrics
from edge.rtc.guard.candidate_policy import CandidatePolicy, own_addresses
from edge.rtc.peer_connection import DecodedFrame, PeerConnection
from edge.scheduling.assignment import Assignment, SessionSnapshot
from edge.session import turn
from edge.session.control import actions
from edge.session.control.control_channel import ControlChannel
from edge.session.control.control_messages import VERSION, Applied, Hello, PageReport, Ping, message
from edge.session.frames.frame_accounting import FrameAccounting
from edge.session.frames.publisher_stats import stats
from edge.session.interface import OnCloseRequest, SessionIdentity, SessionOptions
from edge.session.liveness import LivenessMonitor
from edge.session.results.result_streams import Listener, ResultQueue, ResultStreams
from edge.session.session_adaptation import SessionAdaptation, measure
from edge.session.session_clips import SessionClips
from edge.session.view import SessionView, fields_of, of_plan

log = get_logger("edge.session.session")

State = Literal["connecting", "live", "closed"]

STATS_EVERY_MS = 1_000.0


class Session:
    """Implements `edge.session.interface.SessionInterface` in this process.

    `models` may serve it, all of the same classes. `on_close_request` is called once when the
    session must be closed for a reason within itself, `on_connected` once its DTLS is up, `on_step`
    when its link became much worse, after its own hint has been sent. `former` is the session that
    it is to take over, where that is in the same process.
    """

    def __init__(
        self,
        settings: Settings,
        frame_sink: FrameSink,
        adaptation: SessionAdaptation,
        options: SessionOptions,
        *,
        models: Sequence[Model],
        on_close_request: OnCloseRequest,
        on_step: Callable[[], None],
        metrics: FrameMetrics,
        on_connected: Callable[[], None] = lambda: None,
        identity: SessionIdentity | None = None,
        former: Session | None = None,
        clips: ClipWriter | None = None,
    ) -> None:
        identity = identity or SessionIdentity.fresh()
        self.id, self.etag = identity.id, identity.etag
        self.name = self.id[:6]
        self.label, self.fps = options.label, settings.fps
        self._settings = settings
        self._frame_sink = frame_sink
        self._metrics, self._adaptation = metrics, adaptation
        self._models = models
        self._class_names = list(models[0].class_names)
        self._on_close_request = on_close_request
        self._on_step, self._on_connected = on_step, on_connected
        self.connected = False
        self._state: State = "connecting"
        self._opened_ms = now_ms()
        self._stats_sent_ms = self._too_large_sent_ms = 0.0
        self._available_bps: float | None = None  # as its page last reported
        self._liveness = LivenessMonitor(settings, self._opened_ms)
        self._streams = ResultStreams()
        self._control = ControlChannel(
            settings.max_messages_per_s, settings.max_message_bytes, self._send_error
        )
        self._frames: FrameAccounting = FrameAccounting(
            self.id,
            settings,
            frame_sink,
            slo_ms=options.slo_ms or settings.slo_ms,
            class_names=self._class_names,
            classes=options.classes,
            min_score=options.min_score or 0.0,
            metrics=metrics,
            clock=now_ms,
            send=self._send_result,
            label=lambda: self.label,
            send_event=lambda text: self._streams.put(self._clips.event(text)),
            former=None if former is None else former._frames,
        )
        self.outcomes = self._frames.statistics.outcomes
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
            codecs=settings.codecs,
            max_pixels=settings.max_pixels,
            ports=settings.udp_port_range,
            announce=[str(address) for address in settings.announce],
            on_offence=lambda code, reason: self._request_close(reason, code),
            max_processor_share=settings.end_cpu_share,
            max_decode_share=settings.end_decode_share,
            candidate_policy=CandidatePolicy(
                own_addresses() | frozenset(settings.announce),
                settings.ice_allow,
                local_publisher=options.local_publisher,
            ),
        )
        self.peer.estimator.remb.max_cap_bps = float(settings.max_bps)
        self._clips = SessionClips(clips, self.name, lambda: self.label, self.peer)

    # -- what the server asks of it: `SessionInterface` --------------------------------------------

    @property
    def state(self) -> State:
        return self._state

    @property
    def slo_ms(self) -> float:
        return self._frames.slo_ms

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height of its latest picture, in pixels."""
        return self._frames.size

    @property
    def hint(self) -> Hint | None:
        """The hint in force."""
        return self._adaptation.current

    @property
    def assignment(self) -> Assignment | None:
        """Its part of the plan in force; None before the first plan."""
        return self._adaptation.assignment

    async def answer(self, offer: str) -> str:
        with bound_contextvars(session=self.name):
            return await self.peer.answer(offer)

    async def add_candidates(self, fragment: str) -> None:
        await self.peer.add_candidates(fragment)

    def subscribe(self) -> AbstractContextManager[ResultQueue]:
        return self._streams.open(self._welcome())

    def follow(self, listener: Listener) -> Callable[[], None]:
        return self._streams.follow(self._welcome(), listener)

    async def last_picture(self) -> str | None:
        return await self._frames.last_picture()

    def act(self, action: actions.Change) -> None:
        match action:
            case actions.SetSlo(slo_ms=slo_ms):
                self._set_slo(slo_ms)
                self.peer.send("control", self._welcome())  # it carries the objective
            case actions.PinVariant(variant=variant):
                self._adaptation.pin_variant(variant)
            case actions.PinLongSide(long_side=long_side):
                self._adaptation.pin_long_side(long_side)
            case actions.MoveSession():
                self._send_control("move")

    def tick(self, now: float) -> None:
        if self._state == "closed":
            return
        if refused := self.peer.take_refused():
            self._metrics.refused(refused)
        self._frames.tick(now)
        live, counts = self._state == "live", self.peer.counts
        received_bytes, unknown = self.peer.received_bytes, self.peer.unknown_types
        end = self._liveness.end_reason(
            live, received_bytes, counts.frames, now, counts.missed, unknown_types=unknown
        )
        if end is None and not self.connected:
            end = self._liveness.half_open_end_reason(self.peer.checked, now)
        if end is not None:
            self._request_close(*end)
        elif live:
            self._send_hint(now)
            self._clips.tick(now)
            if now - self._stats_sent_ms >= STATS_EVERY_MS:
                self._stats_sent_ms = now
                self._send_control("stats", **stats(self._frames, self.peer, self.hint))

    def snapshot(self, now_ms: float) -> SessionSnapshot:
        return self._adaptation.snapshot(self.id, self._measurements(now_ms))

    def assign(self, assignment: Assignment, now_ms: float) -> None:
        self._adaptation.assign(assignment)
        if self._state != "closed":
            self.peer.set_long_side(assignment.long_side)
            self._send_hint(now_ms)

    def view(self, now_ms: float) -> SessionView:
        statistics, rate = self._frames.statistics, self.peer.estimator
        return SessionView(
            name=self.name,
            label=self.label,
            state=self._state,
            age_s=(now_ms - self._opened_ms) / 1000.0,
            slo_ms=self.slo_ms,
            models=tuple(model.name for model in self._models),
            device=statistics.device,
            variant=statistics.variant,
            **of_plan(self.assignment),
            pins=self._adaptation.pins,
            size=self.size,
            fps=statistics.fps(now_ms),
            bps=rate.throughput_bps(now_ms),
            link_bps=rate.capacity_bps,
            queue_ms=rate.queue_ms,
            loss=rate.loss,
            rtt_ms=self.peer.clock.rtt_ms,
            latency=statistics.latency(now_ms),
            legs=statistics.legs(now_ms),
            outcomes=statistics.by_outcome(),
            infeasible=statistics.infeasible,
            hint=self.hint,
            scene=self._frames.scene_view,
            packets=fields_of(self.peer.counts),
        )

    async def close(self, reason: str, code: str = "ended") -> None:
        """Count the open frames, notify the publisher, release everything."""
        if self._state == "closed":
            return
        self._frames.end(self.peer.end_media())
        self._clips.end()
        self._set_state("closed")
        bye = message("bye", code=code, message=reason)
        self._streams.put(bye)
        self._frame_sink.remove(self.id)
        self._streams.end()
        await self.peer.close(last=bye)
        self._metrics.refused(self.peer.take_refused())

    # -- from the peer connection ------------------------------------------------------------------

    def _on_frame(self, frame: DecodedFrame) -> None:
        self._liveness.on_media(frame.decoded_ms)
        if self._state == "closed":
            return
        self._set_state("live")
        asked_fps = self.fps if self.hint is None else self.hint.fps
        self._frames.decoded(frame, asked_fps, self._adaptation.variants)

    def _on_lost(self, rtps: Sequence[int], reason: str) -> None:
        now = now_ms()
        self._liveness.on_media(now)
        if self._state == "closed":
            return
        self._set_state("live")  # media arrives, even if it is not decodable
        for rtp in rtps:
            self._frames.dropped(rtp, reason)
        if reason == "too_large" and now - self._too_large_sent_ms > STATS_EVERY_MS:
            self._too_large_sent_ms = now
            rule = f"this server takes pictures of at most {self._settings.max_pixels} pixels"
            self._send_error("too_large", rule)

    def _on_channel(self, label: str) -> None:
        if label == "control":
            self._adaptation.repeat()
            self._send_hint(now_ms())

    def _on_peer_state(self, state: str) -> None:
        if state == "connected" and not self.connected:
            self.connected = True
            self._on_connected()
        elif state in ("failed", "closed"):
            failure = self.peer.failure
            self._request_close(f"the connection {state}" + (f": {failure}" * bool(failure)))

    def _on_link_step(self) -> None:
        """The link became much worse, in mid-frame: the next frame must be smaller already."""
        if self._state == "live":
            self._send_hint(now_ms(), urgent=True)
            self._on_step()

    # -- control messages --------------------------------------------------------------------------

    def _on_message(self, label: str, text: str | bytes) -> None:
        """A message that cannot be used is answered with an error message, never with an end."""
        if label != "control" or self._state == "closed":
            return
        received_ms = now_ms()
        match incoming := self._control.read(text, received_ms):
            case Hello():
                self._on_hello(incoming)
            case Ping():
                self._on_ping(incoming, received_ms)
            case PageReport():
                self._available_bps = incoming.available_bps
                if incoming.back_ms is not None and incoming.back_ms.p50 is not None:
                    self._frames.budget.observe("back", incoming.back_ms.p50, received_ms)
            case Applied():
                self._on_applied(incoming.seq)

    def _on_hello(self, hello: Hello) -> None:
        if hello.version != VERSION:
            self._send_error("version", f"this server speaks version {VERSION} only")
            return
        if hello.slo_ms is not None:
            self._set_slo(hello.slo_ms)
        if hello.fps is not None:
            self.fps = min(hello.fps, self._settings.fps)
        if hello.min_score is not None:
            self._frames.min_score = hello.min_score
        if hello.label is not None:
            self.label = hello.label
        self.peer.send("control", self._welcome())
        self._adaptation.repeat()
        self._send_hint(now_ms())

    def _on_ping(self, ping: Ping, received_ms: float) -> None:
        self._liveness.on_ping(received_ms)
        self.peer.clock.observe_ping(ping.t0_ms, received_ms)
        if ping.offset_ms is not None:
            self.peer.clock.set_offset(ping.offset_ms, ping.rtt_ms or 0.0)
        self._send_control("pong", t0_ms=ping.t0_ms, t1_ms=received_ms, t2_ms=now_ms())

    def _on_applied(self, seq: int) -> None:
        """The hint now limits the encoder, so the bandwidth estimate need not do so as well."""
        if self.hint is not None and seq == self.hint.seq:
            self.peer.estimator.set_cap(float(self.hint.max_bps), now_ms())

    def _welcome(self) -> str:
        return message(
            "welcome",
            session=self.id,
            slo_ms=self.slo_ms,
            variants=self._adaptation.variant_names,
            classes=self._class_names,
            models=[model.name for model in self._models],
        )

    def _send_hint(self, now: float, *, urgent: bool = False) -> None:
        """Send a hint if it is time for one, or if it must change."""
        hint = self._adaptation.decide(self._measurements(now), now, urgent=urgent)
        if hint is not None:
            self._send_control("hint", **asdict(hint))

    def _send_error(self, code: str, text: str) -> None:
        self._send_control("error", code=code, message=text)

    def _send_control(self, kind: str, **fields: object) -> None:
        self.peer.send("control", message(kind, **fields))

    def _send_result(self, text: str) -> None:
        self.peer.send("results", text)  # unreliable: refused where it would have to queue
        self._streams.put(text)

    # -- state -------------------------------------------------------------------------------------

    def _measurements(self, now: float) -> SessionMeasurements:
        return measure(
            self._frames.budget,
            self.peer.estimator if self._settings.rate_control == "receiver" else None,
            now,
            size=self.size,
            slo_ms=self.slo_ms,
            fps=self.fps,
            available_bps=self._available_bps,
        )

    def _set_slo(self, slo_ms: float) -> None:
        self._frames.slo_ms = slo_ms
        self.peer.set_slo(slo_ms)

    def _set_state(self, state: State) -> None:
        if state != self._state:
            log.debug("state", session=self.name, old=self._state, new=state)
            self._state = state

    def _request_close(self, reason: str, code: str = "timeout") -> None:
        if self._state != "closed":
            self._on_close_request(self, reason, code)
