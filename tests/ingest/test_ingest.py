"""Ingest processes' parts: messages, placing, and frames' slots."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edge.adaptation.hint_controller import Hint
from edge.batching.dispatcher import Answer, Job
from edge.batching.request import FrameRequest
from edge.ingest.frame_handover import FrameHandover
from edge.ingest.messages import (
    Act,
    Answered,
    Assign,
    Close,
    Dead,
    Dropped,
    FrameOffered,
    IngestSetup,
    LinkStep,
    Message,
    MessageError,
    Open,
    Reply,
    ResultText,
    SessionState,
    TakePicture,
    Views,
    decode,
    encode,
)
from edge.ingest.pictures import SlotPicture
from edge.ingest.placement import NEWCOMER, Busyness, least_busy
from edge.ipc.picture import Picture
from edge.ipc.shared_memory import SharedPictures, slot_bytes
from edge.observability.metrics_data import FrameMetrics
from edge.scheduling.assignment import Assignment, Pins, Snapshot
from edge.session.actions import PinLongSide, PinVariant, SetSlo
from edge.session.interface import SessionOptions
from edge.session.view import LatencyQuantiles, SessionView

SNAPSHOT = Snapshot("a", 100.0, 15.0, (416, 234), 33.5, True, math.inf, 416)

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
        IngestSetup({"port": 0, "device": ["cpu"]}, 8, 4096, 20),
        Open(1, "id", "tag", SessionOptions(200.0, "door", frozenset(["car"])), "v=0\r\n"),
        Close(2, "id", "ended", "timeout"),
        Assign("id", Assignment(None, 416, math.inf, 0.25, "nothing fits")),
        Answered(7, "yolov4-tiny-416", 2, [(2, 0.5, 0.0, 0.25, 1.0, 1.5)], 1.0, 2.0, 1),
        Dropped(7, "superseded"),
        Reply(1, "no", "bad_sdp", {"answered": 3}),
        FrameOffered(7, "id", 3, (417, 235), True, 2**32 - 1, 1.5, 99.5, ("yolov4-tiny-416",)),
        SessionState(0.5, 0.25, 3.0, 9, [SNAPSHOT]),
        LinkStep(SNAPSHOT),
        Act("id", SetSlo(slo_ms=250.0)),
        Act("id", PinVariant(variant=None)),
        Act("id", PinLongSide(edge=320)),
        TakePicture(3, "id"),
        Views({"id": VIEW}),
        Views({}, READING),
        Dead("id", "no media came", "timeout"),
        ResultText(4, None),
    ],
)
def test_what_is_sent_is_what_arrives(message: Message) -> None:
    assert decode(encode(message)) == message


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff", b'{"type": "frame"}', b'{"type": "x"}'])
def test_what_is_no_message_is_named(data: bytes) -> None:
    with pytest.raises(MessageError):
        decode(data)


def test_what_is_too_long_is_refused() -> None:
    with pytest.raises(MessageError, match="too long"):
        encode(Open(1, "id", "tag", SessionOptions(), "x" * 300_000))


def test_the_least_busy_takes_the_next() -> None:
    assert least_busy([Busyness(0.6, 2, 0), Busyness(0.4, 9, 0)]) == 1  # by work, not by number
    assert least_busy([Busyness(0.02, 1, 0), Busyness(0.08, 0, 0)]) == 1  # noise
    assert least_busy([Busyness(0.0, 0, 0), Busyness(0.0, 0, 0)]) == 0
    assert least_busy([Busyness(0.0, 1, 1), Busyness(0.0, 0, 0)]) == 1  # it will send soon
    # Newcomers are taken to be like those who are there.
    assert math.isclose(Busyness(0.6, 4, 2).expected, 1.2)
    assert math.isclose(Busyness(0.001, 2, 1).expected, 0.001 + NEWCOMER)


def _picture(shade: int) -> Picture:
    return Picture.from_rgb(np.full((16, 32, 3), shade, dtype=np.uint8))


class Crossing:
    """A session's frames on their way to the server, with two slots."""

    def __init__(self) -> None:
        self.sent: list[FrameOffered] = []
        self.ends: list[str] = []
        self.slots = SharedPictures.create(2, slot_bytes(64 * 64))
        self.frames = FrameHandover(self.slots, self._send)

    def _send(self, message: Message) -> None:
        assert isinstance(message, FrameOffered)
        self.sent.append(message)

    def offer(self, shade: int) -> None:
        job = Job(
            _picture(shade),
            answered=lambda answer: self.ends.append(f"{answer.variant} {len(answer.boxes)}"),
            dropped=self.ends.append,
        )
        self.frames.offer(FrameRequest("id", shade, (32, 16), 1.0, 2.0, ("yolov4-tiny-416",), job))


def test_a_frame_crosses_by_its_slot_and_ends_once() -> None:
    crossing = Crossing()
    crossing.offer(40)
    crossing.offer(80)
    crossing.offer(120)  # no slot is free
    assert crossing.ends == ["overload"]
    first, second = crossing.sent
    picture = SlotPicture(crossing.slots, second.slot, second.size, second.full_range)
    copy = bytearray(picture.nbytes)
    assert picture.write_into(memoryview(copy)) == picture.nbytes
    expected = bytearray(picture.nbytes)
    _picture(80).write_into(memoryview(expected))
    assert copy == expected
    crossing.frames.ended(Answered(first.frame, "v", 1, [(0, 0.5, 0, 0, 1, 1)], 1.0, 2.0, 0))
    crossing.frames.ended(Dropped(first.frame, "late"))  # it has ended already
    assert crossing.ends == ["overload", "v 1"]
    crossing.offer(160)
    assert crossing.sent[-1].slot == first.slot
    crossing.frames.ended(Dropped(second.frame, "superseded"))
    assert crossing.ends == ["overload", "v 1", "superseded"]
    assert crossing.slots.free == 1


def test_a_picture_that_cannot_be_in_its_slot_is_refused() -> None:
    slots = SharedPictures.create(2, slot_bytes(64 * 64))
    for slot, size in ((2, (32, 16)), (-1, (32, 16)), (0, (4096, 4096)), (0, (0, 16))):
        with pytest.raises(ValueError, match="slot|picture"):
            SlotPicture(slots, slot, size)
    picture = SlotPicture(slots, 0, (32, 16))
    slots.close()
    with pytest.raises(ValueError, match="released"):
        picture.write_into(memoryview(bytearray(picture.nbytes)))


def test_an_answer_keeps_all_that_was_said() -> None:
    seen: list[Answer] = []
    crossing = Crossing()
    job = Job(_picture(1), answered=seen.append, dropped=crossing.ends.append)
    crossing.frames.offer(FrameRequest("id", 1, (32, 16), 1.0, 2.0, ("v",), job))
    box = (3, 0.5, 0.0, 0.0, 1.0, 1.0)
    crossing.frames.ended(Answered(crossing.sent[0].frame, "v", 4, [box], 1.0, 2.0, 3))
    assert seen == [Answer("v", 4, [box], 1.0, 2.0, 3)]
