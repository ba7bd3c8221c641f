"""A worker's main program: it owns one device, and is started as `-m edge.workers`."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import replace

from edge.base.clock import now_ms
from edge.base.event_log import get_logger
from edge.ipc.messages import Ready
from edge.ipc.parent_watch import die_with_parent
from edge.ipc.pipe import MAX_MESSAGE_BYTES
from edge.ipc.shared_memory import SharedPictures
from edge.models.boxes import MAX_BOXES
from edge.observability import garbage_collector
from edge.observability.logs import Logs
from edge.profile.variant import Variant
from edge.workers.backends import Device, OpenDevice
from edge.workers.batch_splitter import BatchSplitter
from edge.workers.gentle_start import gentle_start
from edge.workers.messages import (
    CODEC,
    BatchRequest,
    Done,
    Failed,
    Fatal,
    Message,
    WarmupProgress,
    WorkerSetup,
)
from edge.workers.warmup import measure

log = get_logger("edge.workers")

MEMORY_EVERY_S = 1.0


def main(arguments: Sequence[str], open_device: OpenDevice) -> int:
    """Serve batches until the server stops it or is gone; returns the exit code.

    `arguments`: the numbers of the inherited socket and memory, and the server's process id.
    """
    socket_fd, memory_fd, server_pid = (int(argument) for argument in arguments)
    die_with_parent(server_pid)
    connection = socket.socket(fileno=socket_fd)
    with connection, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        server = _ServerConnection(connection)
        setup = server.receive()
        if isinstance(setup, WorkerSetup):
            with contextlib.closing(Logs(setup.log_format)):
                return _serve(server, setup, memory_fd, open_device)
    return 1  # the server is gone


class _ServerConnection:
    """The worker's end of the socket, with blocking calls."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def send(self, message: Message) -> None:
        self._connection.sendall(CODEC.encode(message))

    def receive(self) -> Message | None:
        """The next message; None once the server has closed its end."""
        data = self._connection.recv(MAX_MESSAGE_BYTES)
        return CODEC.decode(data) if data else None


def _serve(
    server: _ServerConnection, setup: WorkerSetup, memory_fd: int, open_device: OpenDevice
) -> int:
    os.nice(setup.nice)
    slots = SharedPictures(memory_fd, setup.slots, setup.slot_bytes)
    try:
        with gentle_start(setup.load_nice):
            device = _start(server, setup, open_device)
    except Exception as error:  # wrong weights, no such device, no memory: all are reported
        log.debug("start_failed", device=setup.device, exc_info=True)
        server.send(Fatal(_one_line(error)))
        return 1
    garbage_collector.freeze()
    garbage_collector.trim()  # warming up took memory for batches of all kinds
    server.send(Ready(device.description))
    splitter = BatchSplitter(device)
    memory, memory_at_s = device.memory(), time.monotonic()
    while isinstance(message := server.receive(), BatchRequest):
        answer = _run(splitter, slots, message)
        if isinstance(answer, Done):
            if time.monotonic() - memory_at_s >= MEMORY_EVERY_S:
                memory, memory_at_s = device.memory(), time.monotonic()
            answer = replace(answer, memory=memory)
        server.send(answer)
        if isinstance(answer, Failed) and not device.healthy():
            log.error("device_unusable", device=setup.device, reason=answer.message)
            return 1
    return 0


def _start(server: _ServerConnection, setup: WorkerSetup, open_device: OpenDevice) -> Device:
    total = len(setup.warmup)
    device = open_device(setup, lambda text: server.send(WarmupProgress(0, total, text)))
    limit_s = time.monotonic() + setup.warmup_s
    for done, warm in enumerate(setup.warmup):
        if not warm.measure and time.monotonic() > limit_s:
            continue
        device.warm_up(warm)
        samples_ms = measure(device.detect, warm) if warm.measure else []
        server.send(
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


def _run(splitter: BatchSplitter, slots: SharedPictures, batch: BatchRequest) -> Done | Failed:
    started_ms = now_ms()
    try:
        pictures = [
            slots.get(slot.index, slot.width, slot.height, slot.full_range)
            for slot in batch.pictures
        ]
        boxes = [each[:MAX_BOXES] for each in splitter.detect(pictures, batch.variant, started_ms)]
    except Exception as error:  # it concerns this batch alone
        count, variant = len(batch.pictures), batch.variant
        log.exception("detect_failed", variant=variant, pictures=count)
        return Failed(batch.id, _one_line(error))
    ended_ms = now_ms()
    return Done(batch.id, started_ms, ended_ms, boxes, device_ms=splitter.device_ms)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text[:1000] or type(error).__name__
