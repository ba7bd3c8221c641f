"""The messages between the server and a worker; boxes travel as binary data."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from edge.ipc.messages import BinaryMessage, Codec, MessageError, Ready, Stop
from edge.models.boxes import MAX_BOXES, Box
from edge.models.registry.model import Model
from edge.profile.variant import Precision, RuntimeSetting

Memory = tuple[int, int]
"""Bytes of a device's memory in use, and in all."""

_BOX = struct.Struct("<H5f")


@dataclass(frozen=True, slots=True)
class WarmupBatch:
    """A batch to run before the first client's: `batch` pictures of `picture` (width, height).

    `measure`: whether its latency is measured, for the device's profile.
    """

    variant: str
    picture: tuple[int, int]
    batch: int
    measure: bool = False


@dataclass(frozen=True, slots=True)
class WorkerSetup:
    """Server to worker, first and once: the device, its networks and its limits.

    Warm-up batches that are not measured are left out once `warmup_s` seconds have been spent.
    `load_nice` is added to the niceness until it is ready.
    """

    device: str
    networks: list[str]
    weights: dict[str, str]
    precision: Precision
    runtime: RuntimeSetting
    threads: int | None
    nice: int
    slots: int
    slot_bytes: int
    warmup: list[WarmupBatch]
    warmup_s: float
    models: dict[str, Model] = field(default_factory=dict)
    log_format: Literal["text", "json"] = "text"
    load_nice: int = 0
    type: Literal["setup"] = "setup"


@dataclass(frozen=True, slots=True)
class PictureSlot:
    """A picture in shared memory: the index of its slot, and its shape."""

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
class WarmupProgress:
    """Worker to server while starting: `done` of `total` steps, and in words which one follows.

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
class Done(BinaryMessage):
    """Worker to server: a batch's boxes, picture by picture, and when (monotonic clock, ms).

    `device_ms`: the time by the device's own clock, if it has one. `counts` is for the wire alone:
    the number of boxes of each picture.
    """

    id: int
    started_ms: float
    ended_ms: float
    boxes: list[list[Box]] = field(default_factory=list)
    memory: Memory | None = None
    device_ms: float | None = None
    counts: list[int] = field(default_factory=list)
    type: Literal["done"] = "done"

    def detach(self) -> tuple[Done, bytes]:
        data = b"".join(_BOX.pack(*box) for boxes in self.boxes for box in boxes)
        return replace(self, counts=[len(boxes) for boxes in self.boxes], boxes=[]), data

    def attach(self, data: bytes) -> Done:
        if any(not 0 <= count <= MAX_BOXES for count in self.counts):
            raise MessageError(f"a picture has 0 to {MAX_BOXES} boxes, not {self.counts}")
        if len(data) != sum(self.counts) * _BOX.size:
            raise MessageError(f"{len(data)} bytes of boxes for {sum(self.counts)} boxes")
        all_boxes: list[Any] = list(_BOX.iter_unpack(data))
        boxes: list[list[Box]] = []
        start = 0
        for count in self.counts:
            boxes.append(all_boxes[start : start + count])
            start += count
        return replace(self, boxes=boxes, counts=[])


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

CODEC: Codec[Message] = Codec(Message)
