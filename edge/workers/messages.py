"""What a worker and the server say to each other: one datagram a message, JSON, boxes as a tail.

The socket keeps message boundaries (SOCK_SEQPACKET), so there is no framing. Pictures never
travel here: a message names the slots of shared memory that hold them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

import pydantic

from edge.ipc.pipe import MAX_MESSAGE_BYTES
from edge.profile.variant import Precision

Box = tuple[int, float, float, float, float, float]
"""(class index, score, x1, y1, x2, y2), corners as fractions of the picture."""

Memory = tuple[int, int]
"""Bytes of a device's memory in use, and all that it has."""

MAX_BOXES = 100

_BOX = struct.Struct("<H5f")


class MessageError(ValueError):
    """A datagram that is no message; the sender can't be trusted any longer."""


@dataclass(frozen=True, slots=True)
class Warm:
    """One thing to run before the first client: `batch` pictures of `picture` (width, height)."""

    variant: str
    picture: tuple[int, int]
    batch: int
    measure: bool = False


@dataclass(frozen=True, slots=True)
class WorkerSetup:
    """Server to worker, first and once: what to be.

    What is only warmed, not measured, is left out once `warm_up_s` seconds have been spent.
    """

    device: str
    networks: list[str]
    weights: dict[str, str]
    precision: Precision
    threads: int | None
    nice: int
    slots: int
    slot_bytes: int
    warm: list[Warm]
    warm_up_s: float
    log_format: Literal["text", "json"] = "text"
    type: Literal["setup"] = "setup"


@dataclass(frozen=True, slots=True)
class PictureSlot:
    """Where a picture lies in shared memory, and its shape."""

    index: int
    width: int
    height: int
    full_range: bool


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """Server to worker: detect in these pictures."""

    id: int
    variant: str
    pictures: list[PictureSlot]
    type: Literal["batch"] = "batch"


@dataclass(frozen=True, slots=True)
class Stop:
    """Server to worker: end once the batches sent before this are done."""

    type: Literal["stop"] = "stop"


@dataclass(frozen=True, slots=True)
class WarmupProgress:
    """Worker to server while starting: `done` of `total` steps, and in words which one comes.

    `samples_ms` are latencies of the batch that was just run, for an input of `input_size`.
    """

    done: int
    total: int
    text: str
    variant: str = ""
    input_size: tuple[int, int] = (0, 0)
    batch: int = 0
    samples_ms: list[float] = field(default_factory=list)
    type: Literal["progress"] = "progress"


@dataclass(frozen=True, slots=True)
class Ready:
    """Worker to server: batches are welcome; `device` describes what will run them."""

    device: str
    type: Literal["ready"] = "ready"


@dataclass(frozen=True, slots=True)
class Done:
    """Worker to server: a batch's boxes, picture by picture, and when (monotonic clock, ms).

    `device_ms`: what the device took by its own clock, where it has one.
    """

    id: int
    started_ms: float
    ended_ms: float
    counts: list[int]
    boxes: list[list[Box]] = field(default_factory=list)
    memory: Memory | None = None
    device_ms: float | None = None
    type: Literal["done"] = "done"


@dataclass(frozen=True, slots=True)
class Failed:
    """Worker to server: this batch raised; the worker itself goes on."""

    id: int
    message: str
    type: Literal["failed"] = "failed"


@dataclass(frozen=True, slots=True)
class Fatal:
    """Worker to server, last: why it can't work at all."""

    message: str
    type: Literal["fatal"] = "fatal"


Message = WorkerSetup | BatchRequest | Stop | WarmupProgress | Ready | Done | Failed | Fatal

_ADAPTER: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(
    Annotated[Message, pydantic.Field(discriminator="type")]
)


def encode(message: Message) -> bytes:
    """The datagram of a message; ValueError if it is longer than MAX_MESSAGE_BYTES."""
    tail = b""
    if isinstance(message, Done):
        tail = b"".join(_BOX.pack(*box) for boxes in message.boxes for box in boxes)
        message = replace(message, counts=[len(boxes) for boxes in message.boxes], boxes=[])
    data: bytes = _ADAPTER.dump_json(message) + b"\n" + tail
    if len(data) > MAX_MESSAGE_BYTES:
        raise ValueError(f"a {message.type} message of {len(data)} bytes is too long to send")
    return data


def decode(data: bytes | memoryview) -> Message:
    """The message in a datagram; MessageError says in one line what is wrong with it."""
    head, separator, tail = bytes(data).partition(b"\n")
    if not separator:
        raise MessageError(f"a datagram of {len(data)} bytes without an end of its JSON")
    try:
        message: Message = _ADAPTER.validate_json(head)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise MessageError(f"{place or 'message'}: {first['msg']}") from None
    if isinstance(message, Done):
        return _with_boxes(message, tail)
    if tail:
        raise MessageError(f"{len(tail)} stray bytes after a {message.type} message")
    return message


def _with_boxes(message: Done, tail: bytes) -> Done:
    if any(not 0 <= count <= MAX_BOXES for count in message.counts):
        raise MessageError(f"a picture has 0 to {MAX_BOXES} boxes, not {message.counts}")
    if len(tail) != sum(message.counts) * _BOX.size:
        raise MessageError(f"{len(tail)} bytes of boxes for {sum(message.counts)} boxes")
    all_boxes = list(_BOX.iter_unpack(tail))
    boxes: list[list[Box]] = []
    start = 0
    for count in message.counts:
        boxes.append([_box(values) for values in all_boxes[start : start + count]])
        start += count
    return replace(message, boxes=boxes)


def _box(values: tuple[Any, ...]) -> Box:
    index, score, x1, y1, x2, y2 = values
    return int(index), score, x1, y1, x2, y2
