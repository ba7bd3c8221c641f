"""Two simulated servers: the project's own batcher, and first-in-first-out queues."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from analysis.simulator.components.frame import SimulatedFrame
from analysis.simulator.run import SimulationRun
from edge.batching.batcher import Batcher, Dispatch, Drop, FrameRequest
from edge.profile.latency import LatencyProfile, Size
from edge.profile.variant import Variant

Answered = Callable[[SimulatedFrame, str, float, float], None]
"""Called with each answer: frame, variant, when it was dispatched, its delay to the client (ms)."""


class BatcherServer:
    """The batcher on the simulated clock, in the place of `edge.batching.dispatcher`."""

    def __init__(
        self, run: SimulationRun, max_batch: int, answered: Answered | None = None
    ) -> None:
        self._run = run
        self._answered = answered
        self.profiles: list[LatencyProfile] = run.profiles
        self.batcher = Batcher(self.profiles, max_batch=max_batch)
        self._pumps = 0

    def offer(
        self, session: str, frame: SimulatedFrame, variants: tuple[str, ...], deadline_ms: float
    ) -> None:
        """Takes a decoded frame; `deadline_ms` is when its result must have left."""
        size = self._run.sent_size(frame.long_side)
        now_ms = self._run.now_ms
        request = FrameRequest(session, frame.number, size, now_ms, deadline_ms, variants, frame)
        self._drop(self.batcher.put(request, now_ms))
        self._pump()

    def _pump(self) -> None:
        engine = self._run.events
        now_ms = engine.now_ms
        decision = self.batcher.next(now_ms)
        if decision.drops:
            self._drop(decision.drops)
        for dispatch in decision.dispatches:
            took_ms = self._run.devices.run(
                dispatch.device, dispatch.variant, dispatch.input_size, len(dispatch.requests)
            )
            engine.at(now_ms + took_ms, partial(self._done, dispatch, now_ms))
        self._pumps += 1
        if decision.wake_ms is not None:
            engine.at(decision.wake_ms, partial(self._wake, self._pumps))

    def _wake(self, pumps: int) -> None:
        if pumps == self._pumps:  # no decision since the one that asked for this wake-up
            self._pump()

    def _done(self, dispatch: Dispatch, dispatched_ms: float) -> None:
        now_ms = self._run.now_ms
        size = len(dispatch.requests)
        self.batcher.done(dispatch.device, now_ms)
        self.profiles[dispatch.device].observe(
            dispatch.variant, dispatch.input_size, size, now_ms - dispatched_ms, now_ms
        )
        for request in dispatch.requests:
            frame: SimulatedFrame = request.payload  # type: ignore[assignment]
            back_ms = self._run.answer(frame, dispatch.variant)
            if self._answered is not None:
                self._answered(frame, dispatch.variant, dispatched_ms, back_ms)
        self._pump()

    def _drop(self, drops: tuple[Drop, ...] | list[Drop]) -> None:
        for drop in drops:
            frame: SimulatedFrame = drop.request.payload  # type: ignore[assignment]
            self._run.drop(frame, "hopeless" if drop.reason == "late" else drop.reason)


@dataclass(slots=True)
class Station:
    """A device with its queue of (deadline in ms, frame), its variant and batch size."""

    variant: str = ""
    batch: int = 1
    busy: bool = False
    queue: deque[tuple[float, SimulatedFrame]] = field(default_factory=deque)
    rounds: int = 0


class FifoServer:
    """A first-in-first-out queue for each device, which runs one variant at a time.

    `drop_ms`: a frame that would be answered this much late is dropped at dispatch (None: never).
    `spare_ms`: a batch that is not full waits while its most urgent frame has more slack than this
    (None: it never waits). A full queue drops its oldest frame.
    """

    QUEUE = 128

    def __init__(
        self,
        run: SimulationRun,
        *,
        drop_ms: float | None = None,
        spare_ms: float | None = None,
        square: bool = False,
    ) -> None:
        self._run = run
        self._drop_ms, self._spare_ms = drop_ms, spare_ms
        self._square = square
        self.stations = [Station() for _ in run.profiles]

    def offer(self, device: int, frame: SimulatedFrame, deadline_ms: float) -> None:
        """A decoded frame for one device; `deadline_ms` is when its result must have left."""
        station = self.stations[device]
        if len(station.queue) >= self.QUEUE:
            self._run.drop(station.queue.popleft()[1], "overload")
        station.queue.append((deadline_ms, frame))
        self._serve(device)

    def _input(self, variant: str) -> Size:
        shape = (1, 1) if self._square else self._run.shape
        return Variant.parse(variant).input_size(*shape)

    def _serve(self, device: int) -> None:
        station, now_ms = self.stations[device], self._run.now_ms
        station.rounds += 1
        if station.busy or not station.queue:
            return
        size = self._input(station.variant)
        row = self._run.profiles[device].latency_row(station.variant, size)
        most = min(station.batch, len(row))
        if self._drop_ms is not None:
            left: deque[tuple[float, SimulatedFrame]] = deque()
            for deadline_ms, frame in station.queue:
                size_then = min(len(left) + 1, most)
                if len(left) < most and now_ms + row[size_then - 1] > deadline_ms + self._drop_ms:
                    self._run.drop(frame, "overload")
                else:
                    left.append((deadline_ms, frame))
            station.queue = left
            if not left:
                return
        count = min(most, len(station.queue))
        batch = [station.queue[index] for index in range(count)]
        if self._spare_ms is not None and count < most:
            urgent_ms = min(deadline_ms for deadline_ms, _ in batch)
            until_ms = urgent_ms - row[count - 1] - self._spare_ms
            if until_ms > now_ms:
                self._run.events.at(until_ms, partial(self._wake, device, station.rounds))
                return
        for _ in batch:
            station.queue.popleft()
        station.busy = True
        took_ms = self._run.devices.run(device, station.variant, size, count)
        frames = [frame for _, frame in batch]
        self._run.events.at(now_ms + took_ms, partial(self._done, device, station.variant, frames))

    def _wake(self, device: int, rounds: int) -> None:
        if rounds == self.stations[device].rounds:
            self._serve(device)

    def _done(self, device: int, variant: str, frames: list[SimulatedFrame]) -> None:
        for frame in frames:
            self._run.answer(frame, variant)
        self.stations[device].busy = False
        self._serve(device)
