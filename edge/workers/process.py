"""The worker's main: one process that owns one device, run by the pool as `-m edge.workers`."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from edge.ipc.parent_watch import die_with
from edge.ipc.picture import Picture
from edge.ipc.pipe import MAX_MESSAGE_BYTES
from edge.ipc.shared_memory import SharedPictures
from edge.observability import garbage_collector
from edge.observability.logs import Logs
from edge.profile.variant import Variant
from edge.workers.messages import (
    MAX_BOXES,
    BatchRequest,
    Box,
    Done,
    Failed,
    Fatal,
    Memory,
    Message,
    Ready,
    Warm,
    WarmupProgress,
    WorkerSetup,
    decode,
    encode,
)
from edge.workers.split_batch import Parts
from edge.workers.warmup import measure

log = logging.getLogger("edge.workers")

MEMORY_EVERY_S = 1.0


class Device(Protocol):
    """What runs a network: a processor, a GPU, or the imitation of one."""

    @property
    def description(self) -> str:
        """Which device this is, in words."""

    def warm_up(self, warm: Warm) -> None:
        """Prepare what makes such a batch fast, and run it once."""

    def detect(self, pictures: Sequence[Picture], variant: str) -> list[list[Box]]:
        """Boxes of each picture, best first; all pictures have the same input size."""

    def device_ms(self) -> float | None:
        """What the last `detect` took by the device's own clock; None where it has none."""

    def memory(self) -> Memory | None:
        """Of the device, in use and in all; None where that means nothing."""

    def healthy(self) -> bool:
        """After `detect` raised: whether another batch can still succeed."""


OpenDevice = Callable[[WorkerSetup, Callable[[str], None]], Device]
"""Makes a device as a Setup asks, reporting in words what it is doing."""


def main(arguments: Sequence[str], open_device: OpenDevice) -> int:
    """Serve batches until told to stop, or until the server is gone; returns the exit code.

    `arguments`: the numbers of the inherited socket and memory, and the server's process id.
    """
    socket_fd, memory_fd, server_pid = (int(argument) for argument in arguments)
    die_with(server_pid)
    connection = socket.socket(fileno=socket_fd)
    with connection, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        link = _Link(connection)
        setup = link.receive()
        if isinstance(setup, WorkerSetup):
            with contextlib.closing(Logs(setup.log_format)):
                return _serve(link, setup, memory_fd, open_device)
    return 1  # the server is gone


class _Link:
    """The worker's end of the socket, in blocking calls."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def send(self, message: Message) -> None:
        self._connection.sendall(encode(message))

    def receive(self) -> Message | None:
        """The next message; None once the server has closed its end."""
        data = self._connection.recv(MAX_MESSAGE_BYTES)
        return decode(data) if data else None


def _serve(link: _Link, setup: WorkerSetup, memory_fd: int, open_device: OpenDevice) -> int:
    os.nice(setup.nice)
    slots = SharedPictures(memory_fd, setup.slots, setup.slot_bytes)
    try:
        device = _start(link, setup, open_device)
    except Exception as error:  # weights that differ, no such device, no memory: all are told
        log.debug("event=start_failed device=%s", setup.device, exc_info=True)
        link.send(Fatal(_one_line(error)))
        return 1
    garbage_collector.freeze()
    link.send(Ready(device.description))
    parts = Parts(device)
    memory, asked_s = device.memory(), time.monotonic()
    while isinstance(message := link.receive(), BatchRequest):
        answer = _run(parts, slots, message)
        if isinstance(answer, Done):
            if time.monotonic() - asked_s >= MEMORY_EVERY_S:
                memory, asked_s = device.memory(), time.monotonic()
            answer = replace(answer, memory=memory)
        link.send(answer)
        if isinstance(answer, Failed) and not device.healthy():
            log.error("event=device_unusable device=%s reason=%r", setup.device, answer.message)
            return 1
    return 0


def _start(link: _Link, setup: WorkerSetup, open_device: OpenDevice) -> Device:
    total = len(setup.warm)
    device = open_device(setup, lambda text: link.send(WarmupProgress(0, total, text)))
    enough_s = time.monotonic() + setup.warm_up_s
    for done, warm in enumerate(setup.warm):
        if not warm.measure and time.monotonic() > enough_s:
            continue
        device.warm_up(warm)
        samples_ms = measure(device.detect, warm) if warm.measure else []
        link.send(
            WarmupProgress(
                done + 1,
                total,
                f"warming up {done + 1}/{total}",
                warm.variant,
                Variant.parse(warm.variant).input_size(*warm.picture),
                warm.batch,
                samples_ms,
            )
        )
    return device


def _run(device: Parts, slots: SharedPictures, batch: BatchRequest) -> Done | Failed:
    started_ms = time.monotonic() * 1000.0
    try:
        pictures = [
            slots.get(slot.index, slot.width, slot.height, slot.full_range)
            for slot in batch.pictures
        ]
        boxes = [found[:MAX_BOXES] for found in device.detect(pictures, batch.variant, started_ms)]
    except Exception as error:  # whatever it is, it is this batch's and no other's
        count, variant = len(batch.pictures), batch.variant
        log.exception("event=detect_failed variant=%s pictures=%d", variant, count)
        return Failed(batch.id, _one_line(error))
    ended_ms = time.monotonic() * 1000.0
    return Done(batch.id, started_ms, ended_ms, [], boxes, device_ms=device.device_ms)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text[:1000] or type(error).__name__
