"""One session's frames from the decoder to their result: requests, deadlines, timelines, outcomes.

The counts of these outcomes are in `edge.session.frames.frame_statistics`.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import av

from edge.adaptation.latency_budget import LatencyBudget, Leg, infeasible
from edge.batching.dispatcher import Answer, FrameSink, InferenceJob
from edge.batching.request import FrameRequest
from edge.config import Settings
from edge.ipc.picture import Picture
from edge.models.boxes import Box
from edge.observability.frame_metrics import FrameMetrics
from edge.observability.last_picture import LastPicture, NamedBox
from edge.rtc.decoding.decoded_frame import DecodedFrame
from edge.session.control.control_messages import detections, message
from edge.session.frames.frame_statistics import FrameStatistics
from edge.session.rate_limits import FramePacer
from edge.session.session_tracks import SessionTracks
from edge.tracking.events import TrackEvent
from edge.tracking.scene import SceneView

BACK_MS = 2.0  # return time until it has been measured


@dataclass(slots=True)
class FrameTimeline:
    """The times at which an answered frame passed each point, in ms of the server's clock.

    The names are those of `t` in the `detections` message.
    """

    captured: float
    received: float
    decoded: float
    dispatched: float
    inferred: float
    sent: float

    @classmethod
    def of(cls, frame: DecodedFrame, answer: Answer, sent_ms: float) -> FrameTimeline:
        return cls(
            captured=frame.captured_ms,
            received=frame.received_ms,
            decoded=frame.decoded_ms,
            dispatched=answer.dispatched_ms,
            inferred=answer.inferred_ms,
            sent=sent_ms,
        )

    def times_ms(self) -> dict[str, float]:
        """By name; `dataclasses.asdict` copies each value, for ten times the time."""
        return {
            "captured": self.captured,
            "received": self.received,
            "decoded": self.decoded,
            "dispatched": self.dispatched,
            "inferred": self.inferred,
            "sent": self.sent,
        }

    def legs_ms(self, back_ms: float) -> dict[Leg, float]:
        """The duration of each leg; `back_ms` is the return time from server to publisher."""
        return {
            "network": self.received - self.captured,
            "decode": self.decoded - self.received,
            "queue": self.dispatched - self.decoded,
            "inference": self.inferred - self.dispatched,
            "back": self.sent - self.inferred + back_ms,
        }


class FrameAccounting:
    """Offers decoded frames to the batcher, and accounts for the end of every received frame.

    `send` gets the text of each frame's result message: `detections` or `dropped`.
    """

    def __init__(
        self,
        session_id: str,
        settings: Settings,
        frame_sink: FrameSink,
        *,
        slo_ms: float,
        class_names: Sequence[str],
        classes: frozenset[str] | None,
        min_score: float = 0.0,
        metrics: FrameMetrics,
        clock: Callable[[], float],
        send: Callable[[str], None],
        label: Callable[[], str] = str,
        send_event: Callable[[str], None] | None = None,
        former: FrameAccounting | None = None,
    ) -> None:
        """`label` returns the session's; `send_event` gets what happens in zones and at lines;
        `former` is of the session that is taken over."""
        self.slo_ms = slo_ms
        self.size: tuple[int, int] | None = None
        """Width and height of the latest picture, in pixels."""
        self.statistics = FrameStatistics(metrics)
        self.budget = LatencyBudget()
        """Of feasible frames: no plan can help the others, and they would distort it."""
        self._session_id = session_id
        self._frame_sink = frame_sink
        self._class_names = class_names
        self._classes = classes
        self.min_score = min_score
        """Boxes with a lower score are not reported."""
        self._clock = clock
        self._send = send
        self._tracks: SessionTracks | None = None  # boxes get no tracking ids
        if settings.tracks:
            self._tracks = SessionTracks(
                settings,
                class_names,
                label=label,
                metrics=metrics,
                send=send_event or send,
                former=None if former is None else former._tracks,
            )
        self._pacer = FramePacer()
        self._keeps_picture = settings.admin_pictures
        self._last: tuple[av.VideoFrame, list[NamedBox], list[int | None] | None] | None = None
        self._numbers = itertools.count()
        self._offered: dict[int, tuple[int, bool]] = {}
        """Timestamp and infeasibility of the frames that wait or are in a device, by number."""

    def decoded(self, frame: DecodedFrame, asked_fps: float, variants: tuple[str, ...]) -> None:
        """Offer a frame to be served with one of `variants`, unless more than `asked_fps` came."""
        self.statistics.decoded(frame.decoded_ms)
        self.size = (frame.width, frame.height)
        network_ms = frame.received_ms - frame.captured_ms
        is_infeasible = infeasible(self.slo_ms, network_ms)
        if not is_infeasible:
            self.budget.observe("network", network_ms, frame.decoded_ms)
        self.budget.observe("decode", frame.decoded_ms - frame.received_ms, frame.decoded_ms)
        if not self._pacer.admits(asked_fps, frame.decoded_ms):
            self.dropped(frame.rtp, "paced", infeasible=is_infeasible)
            return
        number = next(self._numbers)
        self._offered[number] = frame.rtp, is_infeasible
        self._frame_sink.offer(
            FrameRequest(
                session=self._session_id,
                rtp=frame.rtp,
                size=self.size,
                ready_ms=frame.decoded_ms,
                deadline_ms=frame.captured_ms + self.slo_ms - self._back_ms(0.9),
                variants=variants,
                payload=InferenceJob(
                    Picture.from_av(frame.image),
                    answered=lambda answer: self._answered(number, frame, answer),
                    dropped=lambda reason: self._end(number, reason),
                ),
            )
        )

    @property
    def scene_view(self) -> SceneView | None:
        """Its tracks, for the operator; None if they are not followed."""
        return None if self._tracks is None else self._tracks.scene.view()

    def tick(self, now_ms: float) -> None:
        """Called several times a second."""
        if self._tracks is not None:
            self._tracks.tick(now_ms)

    def end(self, open_rtps: Sequence[int]) -> None:
        """The session ends: so do the frames in reception, those offered, and those in devices."""
        for rtp in open_rtps:
            self.dropped(rtp, "stopped")
        for number in list(self._offered):
            self._end(number, "stopped")
        if self._tracks is not None:
            self._tracks.end(self._clock())

    def _end(self, number: int, reason: str) -> None:
        """An offered frame is dropped, unless it ended with its session."""
        if (offered := self._offered.pop(number, None)) is not None:
            rtp, is_infeasible = offered
            self.dropped(rtp, reason, infeasible=is_infeasible)

    def dropped(self, rtp: int, reason: str, *, infeasible: bool = False) -> None:
        """A frame gets no answer; `infeasible`: the network alone took longer than the SLO."""
        self.statistics.dropped(reason, infeasible=infeasible)
        self._send(message("dropped", rtp=rtp, reason=reason, infeasible=infeasible or None))

    def _answered(self, number: int, frame: DecodedFrame, answer: Answer) -> None:
        if (offered := self._offered.pop(number, None)) is None:
            return  # it ended with its session
        _, is_infeasible = offered
        ids: list[int | None] | None = None
        events: list[TrackEvent] = []
        if self._tracks is not None:
            ids, events = self._tracks.ids(frame.captured_ms, self._clock(), answer.boxes)
        wanted = [place for place, box in enumerate(answer.boxes) if self._wants(box)]
        boxes: list[NamedBox] = [
            (self._class_names[box[0]], *box[1:])
            for box in (answer.boxes[place] for place in wanted)
        ]
        tracks = None if ids is None else [ids[place] for place in wanted]
        if self._keeps_picture:
            self._last = (frame.image, boxes, tracks)
        now = self._clock()
        timeline = FrameTimeline.of(frame, answer, now)
        legs_ms = timeline.legs_ms(self._back_ms(0.5))
        self.budget.observe("queue", legs_ms["queue"], now)
        self.budget.observe("inference", legs_ms["inference"], now)
        self.statistics.answered(
            legs_ms,
            self.slo_ms,
            now,
            device=answer.device,
            variant=answer.variant,
            infeasible=is_infeasible,
        )
        times_ms = timeline.times_ms()
        self._send(
            detections(frame.rtp, answer.variant, answer.batch, boxes, times_ms, tracks=tracks)
        )
        if self._tracks is not None:
            self._tracks.tell(events, rtp=frame.rtp, captured=round(frame.captured_ms, 2))

    def _wants(self, box: Box) -> bool:
        """Whether the publisher wants this box to be reported."""
        wanted = self._classes is None or self._class_names[box[0]] in self._classes
        return wanted and box[1] >= self.min_score

    async def last_picture(self) -> str | None:
        """The picture of the latest answer, as JSON; None if there is none or none is kept."""
        if self._last is None:
            return None
        return (await asyncio.to_thread(LastPicture.of, *self._last)).to_text()

    def _back_ms(self, q: float) -> float:
        measured = self.budget.quantile("back", q)
        return BACK_MS if measured is None else min(measured, self.slo_ms / 2)
