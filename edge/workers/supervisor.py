"""One device's worker kept alive: started, given batches, watched, and replaced when it is lost."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import logging
import math
import os
import platform
import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.ipc.child_process import ChildProcess
from edge.ipc.picture import Packable
from edge.ipc.shared_memory import SharedPictures, slot_bytes
from edge.profile.latency import LatencyProfile
from edge.profile.latency_file import load_latency_profile
from edge.profile.variant import Variant
from edge.workers.messages import (
    BatchRequest,
    Done,
    Failed,
    Fatal,
    Memory,
    Message,
    PictureSlot,
    Ready,
    Stop,
    Warm,
    WarmupProgress,
    WorkerSetup,
)
from edge.workers.options import Options, restart_delay_s
from edge.workers.outcome import Failure, NotReadyError, Result, State, WorkerError
from edge.workers.spawn import start
from edge.workers.warmup import Samples, estimate

log = logging.getLogger(__name__)


_DEVICE = re.compile(r"cpu|cuda:\d+|sim:.+")

MOST_SLOTS = 64  # so that the boxes of all of them fit one message
_START_ATTEMPTS = 3  # of the first start; after that a worker is restarted for ever
_KILL_S = 1.5  # from SIGKILL to the end of the process
_REMEMBERED = 64  # batches' shapes that a restarted worker is warmed up for


@dataclass(slots=True)
class _Flight:
    batch_id: int
    slots: list[int]
    expected_ms: float
    warm: Warm
    """What a worker that replaces this one should be warmed up for, once this has gone well."""
    input_size: tuple[int, int]


class Worker:
    """A device and its worker; `profile` is there once it first was ready.

    Everything happens on the event loop's thread. Batches run in the order they came; each ends in
    exactly one `on_done`. When the worker is lost, `on_state("lost")` comes before its batches'
    failures. Bounded by the slots: a batch that finds too few free is refused (PoolFullError).
    """

    def __init__(
        self,
        device: str,
        networks: Sequence[str],
        profile: LatencyProfile | None,
        *,
        slots: int,
        max_pixels: int,
        options: Options,
        on_done: Callable[[int, Result | Failure], None],
        on_state: Callable[[State], None],
        on_progress: Callable[[int, int, str], None],
    ) -> None:
        self.device = device
        self.description = device
        self.state: State = "lost"
        self.restarts = 0
        self.batches = 0
        self.failures = 0
        self.memory: Memory | None = None
        self._networks = list(networks)
        self._options = options
        self._slots = slots
        self._slot_bytes = slot_bytes(max_pixels)
        self._on_done = on_done
        self._on_state = on_state
        self._on_progress = on_progress
        if _DEVICE.fullmatch(device) is None:
            raise ValueError(f"unknown device {device!r}: cpu, cuda:N or sim:PROFILE.json")
        self._simulated = device.startswith("sim:")
        if profile is None and self._simulated:
            profile = load_latency_profile(Path(device.partition(":")[2]))
        self.profile = profile
        self._measure = profile is None
        self._samples: list[Samples] = []
        self._used: dict[tuple[str, tuple[int, int], int], Warm] = {}
        self._child: ChildProcess[Message] | None = None
        self._flights: deque[_Flight] = deque()
        self._watch: asyncio.TimerHandle | None = None
        self._fatal = False
        self._stopping = False
        self._reason = ""
        self._lost = asyncio.Event()
        self._ready_at_s: float | None = None
        self._started: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The worker process, while there is one."""
        return None if self._child is None or self._child.lost else self._child.pid

    @property
    def in_flight(self) -> int:
        return len(self._flights)

    async def start(self) -> None:
        """Start, and wait until it is ready; WorkerError with its own words if it can't be."""
        self._started = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._keep_alive())
        await asyncio.wait({self._started, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if not self._started.done():
            raise WorkerError(f"{self.device}: stopped before it was ready")
        self._started.result()

    async def stop(self) -> None:
        """End it: batches in flight may finish for `stop_grace_s`, the others fail."""
        self._stopping = True
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        if self._child is not None:
            self._child.send(Stop())
            grace_s = self._options.stop_grace_s if self.state == "ready" else 0.0
            await self._child.end(grace_s, _KILL_S)
            self._child = None
        self._watch_for(None)
        self._fail_all("the server is stopping")
        self.state = "lost"

    def submit(self, batch_id: int, variant: str, pictures: Sequence[Packable]) -> None:
        """Hand a batch over; if this raises, as WorkerPool.submit says, no `on_done` follows."""
        child = self._child
        ready = self.state == "ready" and not self._stopping
        if child is None or child.lost or not ready or self.profile is None:
            raise NotReadyError(f"{self.device} is {self.state}")
        first = pictures[0]
        input_size = Variant.parse(variant).input_size(first.width, first.height)
        expected_ms = self.profile.latency_ms(variant, input_size, len(pictures))
        if not math.isfinite(expected_ms):
            raise ValueError(f"{self.device} has no {variant}")
        taken = child.slots.put(pictures)
        warm = Warm(variant, (first.width, first.height), len(pictures))
        self._flights.append(_Flight(batch_id, taken, expected_ms, warm, input_size))
        if len(self._flights) == 1:
            self._watch_head()
        child.send(
            BatchRequest(
                batch_id,
                variant,
                [
                    PictureSlot(index, picture.width, picture.height, picture.full_range)
                    for index, picture in zip(taken, pictures, strict=True)
                ],
            )
        )

    async def _keep_alive(self) -> None:
        losses = attempts = 0
        while True:
            self._lost.clear()
            self._ready_at_s = None
            self._set_state("starting")
            try:
                self._child = self._launch()
            except OSError as error:
                self._handle_loss(f"can't be started: {error}")
            await self._lost.wait()
            if self._child is not None:
                await self._child.end(0.0, _KILL_S)
                self._child = None
            attempts += 1
            if self._started is not None and not self._started.done():
                if self._fatal or attempts >= _START_ATTEMPTS:
                    self._started.set_exception(WorkerError(f"{self.device}: {self._reason}"))
                    return
            elif self._was_steady():
                losses = 0
            losses += 1
            await asyncio.sleep(restart_delay_s(losses, self._options))
            self.restarts += 1

    def _was_steady(self) -> bool:
        if self._ready_at_s is None:
            return False
        now_s = asyncio.get_running_loop().time()
        return now_s - self._ready_at_s >= self._options.steady_s

    def _launch(self) -> ChildProcess[Message]:
        options = self._options
        child = start(
            SharedPictures.create(self._slots, self._slot_bytes),
            on_message=self._handle,
            on_lost=self._handle_loss,
            command=options.command,
        )
        self._samples.clear()
        self._watch_for(options.start_silence_s)
        child.send(
            WorkerSetup(
                device=self.device,
                networks=self._networks,
                weights={name: str(path) for name, path in options.weights.items()},
                precision=options.precision,
                threads=options.threads,
                nice=options.nice,
                slots=self._slots,
                slot_bytes=self._slot_bytes,
                warm=self._warm(),
                warm_up_s=options.warm_up_limit_s(self.device),
                log_format=options.log_format,
            )
        )
        return child

    def _warm(self) -> list[Warm]:
        """All variants at first; after a loss what was in use, so that it is soon back."""
        if self._simulated:
            return []
        if self._used:
            return list(self._used.values())
        return self._options.warm_list(self.device, self._networks, measure=self._measure)

    def _remember(self, warm: Warm, input_size: tuple[int, int]) -> None:
        key = (warm.variant, input_size, warm.batch)
        if key not in self._used and len(self._used) >= _REMEMBERED:  # the oldest is forgotten
            del self._used[next(iter(self._used))]
        self._used[key] = warm

    def _handle(self, message: Message) -> None:
        match message:
            case Done():
                self._handle_done(message)
            case Failed():
                self._handle_failed(message)
            case WarmupProgress():
                self._watch_for(self._options.start_silence_s)
                if message.samples_ms:
                    self._samples.append(
                        Samples(
                            message.variant,
                            message.input_size,
                            message.batch,
                            tuple(message.samples_ms),
                        )
                    )
                self._on_progress(message.done, message.total, message.text)
            case Ready():
                self._handle_ready(message)
            case Fatal():
                self._fatal = True
                self._give_up(f"can't start: {message.message}")
            case _:
                self._give_up(f"sent a {message.type} message, which only the server sends")

    def _handle_ready(self, message: Ready) -> None:
        self.description = message.device
        self._watch_for(None)
        if self._measure:
            self.profile = LatencyProfile(
                estimate(self._samples),
                device=message.device,
                machine=f"{platform.machine()}, {os.cpu_count()} cores",
                versions={"torch": importlib.metadata.version("torch")},
                command="measured when the worker first started",
            )
            self._measure = False
        self._ready_at_s = asyncio.get_running_loop().time()
        self._set_state("ready")
        if self._started is not None and not self._started.done():
            self._started.set_result(None)

    def _handle_done(self, message: Done) -> None:
        flight = self._land(message.id)
        if flight is None:
            return
        if len(message.boxes) != len(flight.slots):
            self._flights.appendleft(flight)
            self._give_up(f"answered {len(message.boxes)} of {len(flight.slots)} pictures")
            return
        self._remember(flight.warm, flight.input_size)
        self.memory = message.memory
        wall_ms = message.ended_ms - message.started_ms
        device_ms = wall_ms if message.device_ms is None else message.device_ms
        result = Result(message.boxes, message.started_ms, message.ended_ms, device_ms)
        self._end(flight, result)

    def _handle_failed(self, message: Failed) -> None:
        flight = self._land(message.id)
        if flight is not None:
            self._end(flight, Failure(message.message))

    def _land(self, batch_id: int) -> _Flight | None:
        if not self._flights or self._flights[0].batch_id != batch_id:
            self._give_up(f"answered batch {batch_id}, which was not its turn")
            return None
        return self._flights.popleft()

    def _end(self, flight: _Flight, outcome: Result | Failure) -> None:
        if self._child is not None and not self._child.lost:
            self._child.slots.release(flight.slots)
            self._watch_head()
        self.batches += 1
        self.failures += isinstance(outcome, Failure)
        try:
            self._on_done(flight.batch_id, outcome)
        except Exception:
            log.exception("event=batch_handler_failed device=%s", self.device)

    def _fail_all(self, message: str) -> None:
        flights, self._flights = self._flights, deque()
        for flight in flights:
            self._end(flight, Failure(message))

    def _watch_head(self) -> None:
        """Time the batch that now runs; those behind it wait their turn."""
        if not self._flights:
            self._watch_for(None)
            return
        options = self._options
        expected_s = self._flights[0].expected_ms / 1000.0
        self._watch_for(max(options.hang_least_s, options.hang_factor * expected_s))

    def _watch_for(self, silence_s: float | None) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if silence_s is not None:
            loop = asyncio.get_running_loop()
            self._watch = loop.call_later(silence_s, self._silent, silence_s)

    def _silent(self, silence_s: float) -> None:
        watch, child = self._watch, self._child
        if child is not None and not child.lost:
            child.read()  # if the loop itself was late, the answer may be there by now
            if self._watch is watch:
                self._give_up(f"gave no sign of life for {silence_s:.1f} s")

    def _give_up(self, reason: str) -> None:
        if self._child is not None:
            self._child.lose(reason)

    def _handle_loss(self, reason: str) -> None:
        self._reason = reason
        self._watch_for(None)
        if self._stopping:
            self._fail_all("the server is stopping")
        else:
            log.warning("event=worker_lost device=%s reason=%r", self.device, f"it {reason}")
            self._set_state("lost")
            self._fail_all(f"the worker for {self.device} was lost: it {reason}")
        self._lost.set()

    def _set_state(self, state: State) -> None:
        self.state = state
        try:
            self._on_state(state)
        except Exception:
            log.exception("event=state_handler_failed device=%s", self.device)
