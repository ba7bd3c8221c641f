"""Frames from decoder to result: requests, results, and one outcome each, on a clock of its own."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from edge.batching.dispatcher import Answer, InferenceJob
from edge.batching.request import FrameRequest
from edge.config import load
from edge.observability.frame_metrics import FrameMetrics
from edge.rtc.decoding.decoded_frame import DecodedFrame
from edge.session.frames.frame_accounting import BACK_MS, FrameAccounting, FrameTimeline
from tests.serving import noise

[IMAGE] = noise(64, 48, count=1)
VARIANTS = ("yolov4-tiny-416", "yolov4-tiny-128")
BOXES = [(0, 0.9, 0.1, 0.2, 0.3, 0.4), (1, 0.8, 0.5, 0.5, 0.6, 0.6)]
SLO_MS = 100.0


class RecordedRequests:
    """Keeps the requests that it is offered."""

    def __init__(self) -> None:
        self.requests: list[FrameRequest] = []

    def offer(self, request: FrameRequest) -> None:
        self.requests.append(request)

    def remove(self, session: str) -> None:
        raise AssertionError("the session removes its frames")


class Accounted:
    """A session's frames, a frame sink, and the result messages; `now_ms` is the clock."""

    def __init__(
        self,
        *,
        classes: frozenset[str] | None = None,
        pictures: bool = False,
        tracks: bool = False,
    ) -> None:
        self.now_ms = 0.0
        self.frame_sink = RecordedRequests()
        self.results: list[dict[str, Any]] = []
        self.frames = FrameAccounting(
            "session",
            load(admin_pictures=pictures, tracking={"on": tracks}),
            self.frame_sink,
            slo_ms=SLO_MS,
            class_names=["car", "bus"],
            classes=classes,
            metrics=FrameMetrics(),
            clock=lambda: self.now_ms,
            send=lambda text: self.results.append(json.loads(text)),
        )

    def decode(self, rtp: int, captured_ms: float, network_ms: float = 20.0) -> None:
        """A frame of 64x48 that took 5 ms to decode."""
        received_ms = captured_ms + network_ms
        frame = DecodedFrame(
            rtp=rtp,
            image=IMAGE,
            width=64,
            height=48,
            captured_ms=captured_ms,
            received_ms=received_ms,
            decoded_ms=received_ms + 5.0,
        )
        self.frames.decoded(frame, asked_fps=15.0, variants=VARIANTS)

    def job(self, index: int = -1) -> InferenceJob:
        return cast(InferenceJob, self.frame_sink.requests[index].payload)

    def answer(self, captured_ms: float, sent_ms: float) -> None:
        """The latest request's answer: dispatched 30 ms after capture, inferred after 45."""
        self.now_ms = sent_ms
        self.job().answered(
            Answer(
                variant="yolov4-tiny-416",
                batch=2,
                boxes=BOXES,
                dispatched_ms=captured_ms + 30.0,
                inferred_ms=captured_ms + 45.0,
                device=1,
            )
        )


def test_a_frame_asks_for_service_by_its_deadline() -> None:
    accounted = Accounted()
    accounted.decode(7, captured_ms=1000.0)
    [request] = accounted.frame_sink.requests
    assert (request.session, request.rtp, request.size) == ("session", 7, (64, 48))
    assert request.variants == VARIANTS
    assert request.ready_ms == 1025.0
    assert request.deadline_ms == 1000.0 + SLO_MS - BACK_MS
    assert accounted.frames.size == (64, 48)


def test_the_measured_return_time_shortens_the_deadline_to_half_the_slo_at_most() -> None:
    accounted = Accounted()
    for back_ms, expected_ms in ((10.0, 10.0), (500.0, SLO_MS / 2)):
        accounted.frames.budget.observe("back", back_ms, 1000.0)
        accounted.decode(1, captured_ms=1000.0)
        assert accounted.frame_sink.requests[-1].deadline_ms == 1000.0 + SLO_MS - expected_ms


def test_an_answer_becomes_detections_with_its_timeline() -> None:
    accounted = Accounted()
    accounted.decode(7, captured_ms=1000.0)
    accounted.answer(1000.0, sent_ms=1046.0)
    [result] = accounted.results
    assert (result["type"], result["rtp"], result["batch"]) == ("detections", 7, 2)
    assert result["boxes"] == [["car", 0.9, 0.1, 0.2, 0.3, 0.4], ["bus", 0.8, 0.5, 0.5, 0.6, 0.6]]
    assert result["t"] == {
        "captured": 1000.0,
        "received": 1020.0,
        "decoded": 1025.0,
        "dispatched": 1030.0,
        "inferred": 1045.0,
        "sent": 1046.0,
    }
    statistics = accounted.frames.statistics
    assert statistics.by_outcome() == {"in_time": 1}
    assert (statistics.device, statistics.variant) == (1, "yolov4-tiny-416")
    budget = accounted.frames.budget
    assert [budget.quantile(leg, 0.5) for leg in ("network", "decode", "queue", "inference")] == [
        20.0,
        5.0,
        5.0,
        15.0,
    ]


def test_only_the_publisher_s_classes_are_reported() -> None:
    accounted = Accounted(classes=frozenset(["bus"]))
    accounted.decode(7, captured_ms=0.0)
    accounted.answer(0.0, sent_ms=46.0)
    assert [box[0] for box in accounted.results[0]["boxes"]] == ["bus"]


def test_a_drop_is_reported_with_its_reason() -> None:
    accounted = Accounted()
    accounted.decode(7, captured_ms=0.0)
    accounted.job().dropped("overload")
    accounted.frames.dropped(8, "lost")
    assert accounted.results == [
        {"type": "dropped", "rtp": 7, "reason": "overload"},
        {"type": "dropped", "rtp": 8, "reason": "lost"},
    ]
    assert accounted.frames.statistics.drops == {"overload": 1, "lost": 1}


def test_frames_beyond_the_asked_rate_are_paced() -> None:
    accounted = Accounted()
    for number in range(20):
        accounted.decode(number, captured_ms=0.0)
    paced = [each["rtp"] for each in accounted.results]
    assert {each["reason"] for each in accounted.results} == {"paced"}
    assert len(paced) + len(accounted.frame_sink.requests) == 20
    assert 0 < len(accounted.frame_sink.requests) < 20
    assert accounted.frames.statistics.drops == {"paced": len(paced)}


def test_a_frame_that_the_network_alone_delayed_is_infeasible_and_left_out_of_plans() -> None:
    accounted = Accounted()
    accounted.decode(7, captured_ms=0.0, network_ms=SLO_MS + 1.0)
    assert accounted.frames.budget.quantile("network", 0.5) is None
    accounted.job().dropped("late")
    assert accounted.results == [
        {"type": "dropped", "rtp": 7, "reason": "late", "infeasible": True}
    ]
    assert accounted.frames.statistics.infeasible == 1


def test_a_new_objective_holds_for_the_next_frame() -> None:
    accounted = Accounted()
    accounted.frames.slo_ms = 400.0
    accounted.decode(7, captured_ms=0.0, network_ms=SLO_MS + 1.0)
    assert accounted.frame_sink.requests[0].deadline_ms == 400.0 - BACK_MS
    accounted.answer(0.0, sent_ms=300.0)
    assert accounted.frames.statistics.by_outcome() == {"in_time": 1}


@pytest.mark.parametrize("kept", [False, True])
async def test_the_last_picture_is_kept_where_it_is_switched_on(kept: bool) -> None:
    accounted = Accounted(pictures=kept)
    assert await accounted.frames.last_picture() is None
    accounted.decode(7, captured_ms=0.0)
    accounted.answer(0.0, sent_ms=46.0)
    text = await accounted.frames.last_picture()
    assert (text is not None) == kept
    if text is not None:
        assert json.loads(text)["width"] == 64


def test_a_timeline_s_legs_add_up_to_the_whole() -> None:
    timeline = FrameTimeline(
        captured=0.0, received=20.0, decoded=25.0, dispatched=30.0, inferred=45.0, sent=46.0
    )
    legs_ms = timeline.legs_ms(back_ms=2.0)
    assert legs_ms == {
        "network": 20.0,
        "decode": 5.0,
        "queue": 5.0,
        "inference": 15.0,
        "back": 3.0,
    }
    assert sum(legs_ms.values()) == 48.0


def test_frames_that_are_open_at_the_session_s_end_are_stopped_once() -> None:
    accounted = Accounted()
    accounted.decode(7, captured_ms=1000.0)  # answered after the end
    accounted.decode(8, captured_ms=1066.0, network_ms=SLO_MS + 1.0)  # dropped after the end
    accounted.frames.end([9])  # in reception
    accounted.job(0).dropped("superseded")
    accounted.answer(1066.0, sent_ms=1300.0)
    assert [(each["rtp"], each["reason"]) for each in accounted.results] == [
        (9, "stopped"),
        (7, "stopped"),
        (8, "stopped"),
    ]
    assert accounted.frames.statistics.by_outcome()["stopped"] == 3
    assert accounted.frames.statistics.infeasible == 1


def test_boxes_have_the_tracks_of_what_they_show_whatever_is_left_out() -> None:
    accounted = Accounted(classes=frozenset({"bus"}), tracks=True)
    for rtp in range(3):
        accounted.decode(rtp, captured_ms=1000.0 + 66.0 * rtp)
        accounted.answer(1000.0 + 66.0 * rtp, sent_ms=1060.0 + 66.0 * rtp)
    assert [each["boxes"] for each in accounted.results] == [
        [["bus", 0.8, 0.5, 0.5, 0.6, 0.6, 2]]  # the first is the car
    ] * 3
    view = accounted.frames.scene_view
    assert view is not None
    assert view.tracks == 2


def test_without_tracks_boxes_have_six_elements() -> None:
    accounted = Accounted()
    accounted.decode(7, captured_ms=1000.0)
    accounted.answer(1000.0, sent_ms=1060.0)
    assert [len(box) for box in accounted.results[0]["boxes"]] == [6, 6]
    assert accounted.frames.scene_view is None
