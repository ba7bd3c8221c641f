"""The worker's messages: boxes as binary data, bounds checked."""

from __future__ import annotations

import struct

import pytest

from edge.ipc.messages import MessageError, Ready, Stop
from edge.ipc.pipe import MAX_MESSAGE_BYTES
from edge.models.boxes import Box
from edge.workers.messages import (
    CODEC,
    BatchRequest,
    Done,
    Failed,
    Fatal,
    Message,
    PictureSlot,
    WarmupBatch,
    WarmupProgress,
    WorkerSetup,
)


@pytest.mark.parametrize(
    "message",
    [
        WorkerSetup(
            device="cuda:1",
            networks=["yolov4-tiny"],
            weights={"yolov4-tiny": "/weights"},
            precision="auto",
            runtime="auto",
            threads=None,
            nice=5,
            slots=16,
            slot_bytes=4096,
            warmup=[WarmupBatch("yolov4-tiny-416", (416, 234), 1)],
            warmup_s=4.0,
        ),
        BatchRequest(
            7, "yolov4-tiny-416", [PictureSlot(3, 417, 235, True), PictureSlot(0, 416, 234, False)]
        ),
        Stop(),
        WarmupProgress(3, 24, "warming up 3/24", "yolov4-tiny-416", (416, 256), 1, [1.25, 2.5]),
        Ready("CPU"),
        Failed(7, "out of memory"),
        Fatal("no such weights"),
    ],
)
def test_a_message_arrives_as_it_was_sent(message: Message) -> None:
    assert CODEC.decode(CODEC.encode(message)) == message


def test_boxes_arrive_picture_by_picture() -> None:
    # These fractions are exact in 32 bits, as those of a network's float32 output are.
    boxes: list[list[Box]] = [
        [(2, 0.75, 0.125, 0.25, 0.5, 0.625), (0, 0.5, -0.25, 0.0, 1.0, 1.5)],
        [],
        [(79, 1.0, 0.0, 0.0, 1.0, 1.0)],
    ]
    done = CODEC.decode(CODEC.encode(Done(7, 1.5, 12.25, boxes)))
    assert done == Done(7, 1.5, 12.25, boxes)


def test_the_largest_answer_fits_a_datagram() -> None:
    boxes: list[list[Box]] = [[(65535, 0.1, 0.2, 0.3, 0.4, 0.5)] * 100] * 64
    assert len(CODEC.encode(Done(2**53, 1e12 / 3, 1e12 / 7, boxes))) <= MAX_MESSAGE_BYTES


def test_a_message_too_long_for_a_datagram_is_refused() -> None:
    with pytest.raises(ValueError, match="too long"):
        CODEC.encode(Fatal("x" * MAX_MESSAGE_BYTES))


BOX = struct.pack("<H5f", 1, 0.5, 0, 0, 1, 1)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"\xff\xfe\n",
        b"{}\n",
        b"[]\n",
        b'{"type":"stop"}',
        b'{"type":"stop"}\nx',
        b'{"type":"unheard-of"}\n',
        b'{"type":"batch","id":1}\n',
        b'{"type":"batch","id":"x","variant":"v","pictures":[]}\n',
        b'{"type":"failed","id":1,"message":"cut sho',
        b'{"type":"done","id":1,"started_ms":0,"ended_ms":1,"counts":[2]}\n' + BOX,
        b'{"type":"done","id":1,"started_ms":0,"ended_ms":1,"counts":[1]}\n' + BOX[:-1],
        b'{"type":"done","id":1,"started_ms":0,"ended_ms":1,"counts":[1,-1]}\n',
        b'{"type":"done","id":1,"started_ms":0,"ended_ms":1,"counts":[101]}\n' + 101 * BOX,
    ],
)
def test_a_malformed_datagram_is_refused(data: bytes) -> None:
    with pytest.raises(MessageError):
        CODEC.decode(data)
