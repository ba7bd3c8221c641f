"""The ingest process' messages: each arrives as it was sent."""

from __future__ import annotations

import math

import pytest

from edge.adaptation.hint_controller import Hint
from edge.ingest.messages import (
    CODEC,
    ApplyAction,
    CloseSession,
    FrameAnswered,
    FrameDropped,
    FrameOffered,
    IngestSetup,
    IngestState,
    LinkStep,
    Message,
    OpenSession,
    Reply,
    ResultText,
    SessionDead,
    SessionViews,
    SetAssignment,
    TakePicture,
)
from edge.ipc.messages import MessageError
from edge.observability.frame_metrics import FrameMetrics
from edge.scheduling.assignment import Assignment, Pins, SessionSnapshot
from edge.session.control.actions import PinLongSide, PinVariant, SetSlo
from edge.session.interface import SessionOptions
from edge.session.view import LatencyQuantiles, SessionView
from tests.served_model import model

SNAPSHOT = SessionSnapshot("a", 100.0, 15.0, (416, 234), 33.5, True, math.inf, 416)

VIEW = SessionView(
    name="id",
    label="gate",
    state="live",
    age_s=3.5,
    slo_ms=100.0,
    pins=Pins("yolov4-tiny-416"),
    size=(416, 234),
    latency=LatencyQuantiles(30.0, 80.0),
    legs={"network": LatencyQuantiles(20.0, 60.0)},
    outcomes={"in_time": 5},
    hint=Hint(1, 416, 15.0, 900_000, "yolov4-tiny-416", "link carries 1 Mbit/s"),
)

METER = FrameMetrics()
METER.answered({"network": 20.0, "inference": 8.0}, 28.0, 100.0)
METER.dropped("lost")
READING = METER.drain()


@pytest.mark.parametrize(
    "message",
    [
        IngestSetup({"port": 0, "device": ["cpu"]}, 8, 4096, 20, [model()]),
        OpenSession(1, "id", "tag", SessionOptions(200.0, "door", frozenset(["car"])), "v=0\r\n"),
        OpenSession(1, "id", "tag", SessionOptions(model="mine", min_score=0.5), "v=0\r\n"),
        CloseSession(2, "id", "ended", "timeout"),
        SetAssignment("id", Assignment(None, 416, math.inf, 0.25, "nothing fits")),
        FrameAnswered(7, "yolov4-tiny-416", 2, [(2, 0.5, 0.0, 0.25, 1.0, 1.5)], 1.0, 2.0, 1),
        FrameDropped(7, "superseded"),
        Reply(1, "no", "bad_sdp", {"answered": 3}),
        FrameOffered(7, "id", 3, (417, 235), True, 2**32 - 1, 1.5, 99.5, ("yolov4-tiny-416",)),
        IngestState(0.5, 0.25, 3.0, 9, [SNAPSHOT]),
        LinkStep(SNAPSHOT),
        ApplyAction("id", SetSlo(slo_ms=250.0)),
        ApplyAction("id", PinVariant(variant=None)),
        ApplyAction("id", PinLongSide(edge=320)),
        TakePicture(3, "id"),
        SessionViews({"id": VIEW}),
        SessionViews({}, READING),
        SessionDead("id", "no media came", "timeout"),
        ResultText("id", 4, None),
    ],
)
def test_a_message_arrives_as_it_was_sent(message: Message) -> None:
    assert CODEC.decode(CODEC.encode(message)) == message


def test_an_offer_too_long_is_refused() -> None:
    with pytest.raises(MessageError, match="too long"):
        CODEC.encode(OpenSession(1, "id", "tag", SessionOptions(), "x" * 300_000))
