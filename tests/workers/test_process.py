"""A worker's main loop, on a socket of the test's and without a process of its own."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from edge.ipc.messages import Ready, Stop
from edge.ipc.picture import Picture
from edge.ipc.pipe import MAX_MESSAGE_BYTES
from edge.ipc.shared_memory import SharedPictures, slot_bytes
from edge.models.boxes import MAX_BOXES, Box
from edge.observability import garbage_collector
from edge.workers.backends import Device
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
from edge.workers.process import _serve, _ServerConnection
from tests.workers.recorder import VARIANT, noise

BOX: Box = (1, 0.5, 0.0, 0.0, 1.0, 1.0)


class FakeDevice:
    """Finds `found` boxes in each picture, or raises `error`."""

    description = "a fake"

    def __init__(self) -> None:
        self.found = 1
        self.error: Exception | None = None
        self.usable = True
        self.warmed: list[WarmupBatch] = []

    def warm_up(self, warm: WarmupBatch) -> None:
        self.warmed.append(warm)

    def detect(self, pictures: Sequence[Picture], variant: str) -> list[list[Box]]:
        if self.error is not None:
            raise self.error
        return [[BOX] * self.found for _ in pictures]

    def device_ms(self) -> float:
        return 1.25

    def memory(self) -> tuple[int, int]:
        return 3, 8

    def healthy(self) -> bool:
        return self.usable


class ThreadedWorker:
    """The server's side of a worker that runs in a thread."""

    def __init__(self, device: FakeDevice, warmup: Sequence[WarmupBatch] = ()) -> None:
        self.slots = SharedPictures.create(2, slot_bytes(64 * 64))
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ours.settimeout(60.0)
        self.code: int | None = None
        setup = WorkerSetup(
            device="fake",
            networks=[],
            weights={},
            precision="auto",
            runtime="auto",
            threads=None,
            nice=0,
            slots=2,
            slot_bytes=self.slots.size,
            warmup=list(warmup),
            warmup_s=0.0,
        )

        def opened(setup: WorkerSetup, report: Callable[[str], None]) -> Device:
            report("opening")
            if device.error is not None:
                raise device.error
            return device

        def run() -> None:
            with theirs:
                memory = os.dup(self.slots.fd)
                self.code = _serve(_ServerConnection(theirs), setup, memory, opened)

        self._thread = threading.Thread(target=run)
        self._thread.start()

    def receive(self) -> Message:
        return CODEC.decode(self._ours.recv(MAX_MESSAGE_BYTES))

    def ask(self, batch_id: int, slot: int = 0) -> Message:
        picture = PictureSlot(slot, 16, 16, False)
        self._ours.send(CODEC.encode(BatchRequest(batch_id, VARIANT, [picture])))
        return self.receive()

    def stop(self) -> int | None:
        """The exit code."""
        if self._thread.is_alive():
            with contextlib.suppress(BrokenPipeError):
                self._ours.send(CODEC.encode(Stop()))
        self._thread.join(60.0)
        self._ours.close()
        return self.code


@pytest.fixture(autouse=True)
def no_freeze(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(garbage_collector, "freeze", lambda: None)


@pytest.fixture
def device() -> FakeDevice:
    return FakeDevice()


@pytest.fixture
def worker(device: FakeDevice) -> Iterator[ThreadedWorker]:
    made = ThreadedWorker(device)
    assert made.receive() == WarmupProgress(0, 0, "opening")
    assert made.receive() == Ready("a fake")
    yield made
    made.stop()


def test_a_batch_is_answered_with_the_devices_time_and_memory(worker: ThreadedWorker) -> None:
    worker.slots.put([noise(16, 16)])
    answer = worker.ask(7)
    assert isinstance(answer, Done)
    assert (answer.id, answer.boxes) == (7, [[BOX]])
    assert (answer.device_ms, answer.memory) == (1.25, (3, 8))
    assert answer.started_ms <= answer.ended_ms
    assert worker.stop() == 0


def test_boxes_beyond_the_bound_are_cut(worker: ThreadedWorker, device: FakeDevice) -> None:
    device.found = MAX_BOXES + 1
    answer = worker.ask(1)
    assert isinstance(answer, Done)
    assert [len(boxes) for boxes in answer.boxes] == [MAX_BOXES]


def test_an_error_fails_its_batch_in_one_line_and_the_worker_goes_on(
    worker: ThreadedWorker, device: FakeDevice
) -> None:
    device.error = RuntimeError("it\nbroke")
    assert worker.ask(1) == Failed(1, "it broke")
    device.error = None
    assert isinstance(worker.ask(2), Done)
    answer = worker.ask(3, slot=9)  # no such slot
    assert isinstance(answer, Failed)
    assert "slot 9 of 2" in answer.message


def test_a_device_that_cannot_go_on_ends_its_worker(
    worker: ThreadedWorker, device: FakeDevice
) -> None:
    device.error, device.usable = RuntimeError("an illegal access"), False
    assert worker.ask(1) == Failed(1, "an illegal access")
    assert worker.stop() == 1


def test_a_device_that_cannot_be_opened_is_fatal(device: FakeDevice) -> None:
    device.error = ValueError("no such device")
    worker = ThreadedWorker(device)
    worker.receive()
    assert worker.receive() == Fatal("no such device")
    assert worker.stop() == 1


def test_when_time_is_up_only_measured_batches_are_warmed_up(device: FakeDevice) -> None:
    later = WarmupBatch(VARIANT, (416, 234), 1)
    measured = WarmupBatch(VARIANT, (64, 64), 1, measure=True)
    worker = ThreadedWorker(device, [later, measured])
    worker.receive()
    progress = worker.receive()
    assert isinstance(progress, WarmupProgress)
    assert (progress.done, progress.total, progress.variant) == (2, 2, VARIANT)
    assert len(progress.samples_ms) >= 3
    assert device.warmed == [measured]
    assert worker.receive() == Ready("a fake")
    assert worker.stop() == 0
