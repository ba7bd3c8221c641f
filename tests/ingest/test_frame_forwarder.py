"""Frames reach the server by their slots, and each ends once."""

from __future__ import annotations

import numpy as np

from edge.batching.dispatcher import Answer, InferenceJob
from edge.batching.request import FrameRequest
from edge.ingest.frame_forwarder import FrameForwarder
from edge.ingest.messages import FrameAnswered, FrameDropped, FrameOffered, Message
from edge.ipc.picture import Picture
from edge.ipc.shared_memory import SharedPictures, SlotPicture, slot_bytes


def _picture(shade: int) -> Picture:
    return Picture.from_rgb(np.full((16, 32, 3), shade, dtype=np.uint8))


class ForwarderStage:
    """A session's frames on their way to the server, with two slots."""

    def __init__(self) -> None:
        self.sent: list[FrameOffered] = []
        self.ends: list[str] = []
        self.slots = SharedPictures.create(2, slot_bytes(64 * 64))
        self.forwarder = FrameForwarder(self.slots, self._send)

    def _send(self, message: Message) -> None:
        assert isinstance(message, FrameOffered)
        self.sent.append(message)

    def offer(self, shade: int) -> None:
        job = InferenceJob(
            _picture(shade),
            answered=lambda answer: self.ends.append(f"{answer.variant} {len(answer.boxes)}"),
            dropped=self.ends.append,
        )
        self.forwarder.offer(
            FrameRequest("id", shade, (32, 16), 1.0, 2.0, ("yolov4-tiny-416",), job)
        )


def test_a_frame_crosses_by_its_slot_and_ends_once() -> None:
    stage = ForwarderStage()
    stage.offer(40)
    stage.offer(80)
    stage.offer(120)  # no slot is free
    assert stage.ends == ["overload"]
    first, second = stage.sent
    picture = SlotPicture(stage.slots, second.slot, second.size, second.full_range)
    copy = bytearray(picture.nbytes)
    assert picture.write_into(memoryview(copy)) == picture.nbytes
    expected = bytearray(picture.nbytes)
    _picture(80).write_into(memoryview(expected))
    assert copy == expected
    stage.forwarder.handle_end(
        FrameAnswered(first.frame, "v", 1, [(0, 0.5, 0, 0, 1, 1)], 1.0, 2.0, 0)
    )
    stage.forwarder.handle_end(FrameDropped(first.frame, "late"))  # it has ended already
    assert stage.ends == ["overload", "v 1"]
    stage.offer(160)
    assert stage.sent[-1].slot == first.slot
    stage.forwarder.handle_end(FrameDropped(second.frame, "superseded"))
    assert stage.ends == ["overload", "v 1", "superseded"]
    assert stage.slots.free == 1


def test_an_answer_arrives_with_all_its_fields() -> None:
    answers: list[Answer] = []
    stage = ForwarderStage()
    job = InferenceJob(_picture(1), answered=answers.append, dropped=stage.ends.append)
    stage.forwarder.offer(FrameRequest("id", 1, (32, 16), 1.0, 2.0, ("v",), job))
    box = (3, 0.5, 0.0, 0.0, 1.0, 1.0)
    stage.forwarder.handle_end(FrameAnswered(stage.sent[0].frame, "v", 4, [box], 1.0, 2.0, 3))
    assert answers == [Answer("v", 4, [box], 1.0, 2.0, 3)]
