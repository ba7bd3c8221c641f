"""The server's handle of one device's worker: batches to it, results back, replaced when lost."""

from __future__ import annotations

import math
import os
import platform
import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge.base.event_log import get_logger
from edge.ipc.child_process import Program
from edge.ipc.messages import Ready, Stop
from edge.ipc.picture import Packable
from edge.ipc.shared_memory import NoFreeSlotError, slot_bytes
from edge.ipc.supervisor import ChildStartError, ProcessState, Supervisor
from edge.models.boxes import Box
from edge.profile.host import package_versions
from edge.profile.latency import LatencyProfile
from edge.profile.latency_file import load_latency_profile
from edge.profile.stored_profile import RUNTIME_PACKAGES, simulated_profile_path
from edge.profile.variant import Variant
from edge.workers.messages import (
    CODEC,
    BatchRequest,
    Done,
    Failed,
    Fatal,
    Memory,
    Message,
    PictureSlot,
    WarmupBatch,
    WarmupProgress,
    WorkerSetup,
)
from edge.workers.options import WorkerOptions
from edge.workers.warmup import LatencySamples, estimate

log = get_logger(__name__)

MAX_SLOTS = 64  # so that the boxes of all of them fit one message

_DEVICE = re.compile(r"cpu|cuda:\d+|sim:.+")
_REMEMBERED = 64  # kinds of batches that a restarted worker is warmed up for

# OpenMP's threads spin for milliseconds at each barrier by default. Where another program needs the
# cores (the demo's browser, the decoders), a spinning thread keeps the one that it waits for from
# running, and an inference takes several times as long.
OPENMP = {"GOMP_SPINCOUNT": "1000"}


class WorkerError(RuntimeError):
    """A worker can't be started."""


class NotReadyError(NoFreeSlotError):
    """The device has no worker now, and so no free slot for a batch."""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """A batch's boxes, picture by picture, and when it ran: server's monotonic clock, ms.

    `device_ms` is the part of that time that the device itself took; the rest is its host's.
    """

    boxes: list[list[Box]]
    started_ms: float
    ended_ms: float
    device_ms: float


@dataclass(frozen=True, slots=True)
class BatchFailure:
    """Why a batch has no result."""

    message: str


@dataclass(slots=True)
class _RunningBatch:
    batch_id: int
    slots: list[int]
    expected_ms: float
    warm: WarmupBatch
    """Once this batch has succeeded, a worker that replaces this one is warmed up with its like."""
    input_size: tuple[int, int]


class WorkerHandle:
    """A device and its worker; `profile` is set from the first time that it is ready.

    Everything happens on the event loop's thread. Batches run in the order they came; each ends in
    exactly one `on_done`. When the worker is lost, `on_state("lost")` comes before its batches'
    failures. Bounded by the slots: a batch for which too few are free is refused (NoFreeSlotError).
    """

    def __init__(
        self,
        device: str,
        networks: Sequence[str],
        profile: LatencyProfile | None,
        *,
        slots: int,
        max_pixels: int,
        options: WorkerOptions,
        on_done: Callable[[int, BatchResult | BatchFailure], None],
        on_state: Callable[[ProcessState], None],
        on_progress: Callable[[int, int, str], None],
    ) -> None:
        if _DEVICE.fullmatch(device) is None:
            raise ValueError(f"unknown device {device!r}: cpu, cuda:N or sim:PROFILE.json")
        self.device = device
        self.description = device
        self.batches = 0
        self.failures = 0
        self.memory: Memory | None = None
        self._networks = list(networks)
        self._options = options
        self._on_done = on_done
        self._on_state = on_state
        self._on_progress = on_progress
        self._is_simulated = device.startswith("sim:")
        if profile is None and self._is_simulated:
            profile = load_latency_profile(simulated_profile_path(device.partition(":")[2]))
        self.profile = profile
        self._samples: list[LatencySamples] = []
        self._used: dict[tuple[str, tuple[int, int], int], WarmupBatch] = {}
        self._running: deque[_RunningBatch] = deque()  # bounded by the slots
        self._program = Program(options.command, CODEC, slots, slot_bytes(max_pixels), OPENMP)
        self._supervisor: Supervisor[Message] = Supervisor(self._program, options.supervision, self)

    @property
    def state(self) -> ProcessState:
        return self._supervisor.state

    @property
    def pid(self) -> int | None:
        """The worker's process id, while there is a process."""
        return self._supervisor.pid

    @property
    def restarts(self) -> int:
        return self._supervisor.restarts

    @property
    def in_flight(self) -> int:
        """Batches that the worker has and has not answered."""
        return len(self._running)

    async def start(self) -> None:
        """Start, and wait until it is ready; WorkerError with the worker's own text if it fails."""
        try:
            await self._supervisor.start()
        except ChildStartError as error:
            raise WorkerError(f"{self.device}: {error}") from error

    async def stop(self) -> None:
        """End it: batches in flight may finish for `stop_grace_s`, the others fail."""
        await self._supervisor.stop(Stop())
        self._fail_all("the server is stopping")

    def submit(self, batch_id: int, variant: str, pictures: Sequence[Packable]) -> None:
        """Send a batch to the worker; raises as `WorkerPool.submit` does."""
        child = self._supervisor.child
        if child is None or not self._supervisor.is_ready or self.profile is None:
            raise NotReadyError(f"{self.device} is {self.state}")
        first = pictures[0]
        input_size = Variant.parse(variant).input_size(first.width, first.height)
        expected_ms = self.profile.latency_ms(variant, input_size, len(pictures))
        if not math.isfinite(expected_ms):
            raise ValueError(f"{self.device} has no {variant}")
        slots = child.slots.put(pictures)
        warm = WarmupBatch(variant, (first.width, first.height), len(pictures))
        self._running.append(_RunningBatch(batch_id, slots, expected_ms, warm, input_size))
        if len(self._running) == 1:
            self._watch_head()
        child.send(
            BatchRequest(
                batch_id,
                variant,
                [
                    PictureSlot(index, picture.width, picture.height, picture.full_range)
                    for index, picture in zip(slots, pictures, strict=True)
                ],
            )
        )

    # As the supervisor's owner

    def on_starting(self) -> Message:
        self._samples.clear()
        self._notify_state()
        options = self._options
        return WorkerSetup(
            device=self.device,
            networks=self._networks,
            weights={name: str(path) for name, path in options.weights.items()},
            models=dict(options.models),
            precision=options.precision,
            runtime=options.runtime,
            threads=options.threads,
            nice=options.nice,
            load_nice=options.load_nice,
            slots=self._program.slots,
            slot_bytes=self._program.slot_bytes,
            warmup=self._warmup(),
            warmup_s=options.warmup_limit_s(self.device),
            log_format=options.log_format,
        )

    def on_message(self, message: Message) -> None:
        match message:
            case Done():
                self._handle_done(message)
            case Failed():
                if (batch := self._pop_head(message.id)) is not None:
                    self._end(batch, BatchFailure(message.message))
            case WarmupProgress():
                self._handle_progress(message)
            case Ready():
                self._handle_ready(message)
            case Fatal():
                self._supervisor.give_up(f"can't start: {message.message}", retry=False)
            case _:
                self._supervisor.give_up(f"sent a {message.type} message, as only the server may")

    def on_lost(self, reason: str) -> None:
        log.warning("worker_lost", device=self.device, reason=f"it {reason}")
        self._notify_state()
        self._fail_all(f"the worker for {self.device} was lost: it {reason}")

    def _warmup(self) -> list[WarmupBatch]:
        """All variants at first; after a loss the batches in use, so that it is ready soon."""
        if self._is_simulated:
            return []
        if self._used:
            return list(self._used.values())
        measure = self.profile is None
        return self._options.warmup_batches(self.device, self._networks, measure=measure)

    def _handle_progress(self, message: WarmupProgress) -> None:
        self._supervisor.expect_message(self._options.supervision.start_silence_s)
        if message.samples_ms:
            samples_ms = tuple(message.samples_ms)
            self._samples.append(
                LatencySamples(message.variant, message.input_size, message.batch, samples_ms)
            )
        self._on_progress(message.done, message.total, message.text)

    def _handle_ready(self, message: Ready) -> None:
        self.description = message.description
        if self.profile is None:
            self.profile = LatencyProfile(
                estimate(self._samples),
                device=message.description,
                machine=f"{platform.machine()}, {os.cpu_count()} cores",
                versions=package_versions(*RUNTIME_PACKAGES),
                command="measured when the worker first started",
            )
        self._supervisor.mark_ready()
        self._notify_state()

    def _handle_done(self, message: Done) -> None:
        batch = self._pop_head(message.id)
        if batch is None:
            return
        if len(message.boxes) != len(batch.slots):
            self._running.appendleft(batch)
            answered = f"{len(message.boxes)} of {len(batch.slots)} pictures"
            self._supervisor.give_up(f"answered {answered}")
            return
        self._remember(batch)
        self.memory = message.memory
        wall_ms = message.ended_ms - message.started_ms
        device_ms = wall_ms if message.device_ms is None else message.device_ms
        result = BatchResult(message.boxes, message.started_ms, message.ended_ms, device_ms)
        self._end(batch, result)

    def _remember(self, batch: _RunningBatch) -> None:
        key = (batch.warm.variant, batch.input_size, batch.warm.batch)
        if key not in self._used and len(self._used) >= _REMEMBERED:
            del self._used[next(iter(self._used))]  # the oldest
        self._used[key] = batch.warm

    def _pop_head(self, batch_id: int) -> _RunningBatch | None:
        if not self._running or self._running[0].batch_id != batch_id:
            self._supervisor.give_up(f"answered batch {batch_id}, which was not its turn")
            return None
        return self._running.popleft()

    def _end(self, batch: _RunningBatch, outcome: BatchResult | BatchFailure) -> None:
        if (child := self._supervisor.child) is not None:
            child.slots.release(batch.slots)
            self._watch_head()
        self.batches += 1
        self.failures += isinstance(outcome, BatchFailure)
        try:
            self._on_done(batch.batch_id, outcome)
        except Exception:
            log.exception("batch_handler_failed", device=self.device)

    def _fail_all(self, message: str) -> None:
        batches, self._running = self._running, deque()
        for batch in batches:
            self._end(batch, BatchFailure(message))

    def _watch_head(self) -> None:
        """Time the batch that runs now; those behind it wait their turn."""
        if not self._running:
            self._supervisor.expect_message(None)
            return
        options = self._options
        expected_s = self._running[0].expected_ms / 1000.0
        self._supervisor.expect_message(max(options.hang_least_s, options.hang_factor * expected_s))

    def _notify_state(self) -> None:
        try:
            self._on_state(self.state)
        except Exception:
            log.exception("state_handler_failed", device=self.device)
