"""From sessions to workers and back: carries out what the batcher decides.

The batcher's slots, two a session at most, are the only queue here; a frame in a worker is in
`_flying`, bounded by the workers' slots.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from edge.batching.batcher import Batcher, Dispatch, Drop, FrameRequest
from edge.batching.device_usage import DeviceUsage
from edge.clock import now_ms
from edge.ipc.picture import Packable
from edge.models.detections import Box
from edge.workers import Failure, PoolFullError, Result, WorkerPool

log = logging.getLogger("edge.batching.dispatcher")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the detector says of a frame, and when (server clock)."""

    variant: str
    batch: int
    boxes: Sequence[Box]
    dispatched_ms: float
    inferred_ms: float
    inference_ms: float
    device: int


@dataclass(frozen=True, slots=True)
class Job:
    """A request's payload: its picture, and who wants to know; exactly one of the two is called."""

    picture: Packable
    answered: Callable[[Answer], None]
    dropped: Callable[[str], None]


class Intake(Protocol):
    """Where a session hands its frames in: the dispatcher, or the way to it."""

    def offer(self, request: FrameRequest) -> None:
        """Take a frame whose payload is a Job; an older one of its session gives way to it."""

    def remove(self, session: str) -> None:
        """Forget a session's waiting frame."""


@dataclass(frozen=True, slots=True)
class _Flight:
    dispatch: Dispatch
    dispatched_ms: float


class Dispatcher:
    """Lives on the event loop; nothing in it awaits."""

    def __init__(self, pool: WorkerPool, batcher: Batcher) -> None:
        self._pool = pool
        self._batcher = batcher
        self._numbers = itertools.count()
        self._flying: dict[int, _Flight] = {}
        self._wake: asyncio.TimerHandle | None = None
        self._idle: asyncio.Event | None = None  # while draining: set once nothing is in flight
        self.usage = [DeviceUsage() for _ in pool.profiles]

    @property
    def in_flight(self) -> int:
        return len(self._flying)

    @property
    def waiting(self) -> int:
        """Frames that no device has taken yet."""
        return self._batcher.waiting

    def offer(self, request: FrameRequest) -> None:
        """Take a frame whose payload is a Job; an older one of its session gives way to it."""
        if self._idle is not None:
            _job(request).dropped("no_plan")
            return
        self._tell(self._batcher.put(request, now_ms()))
        self.pump()

    def remove(self, session: str) -> None:
        """Forget a session's waiting frame."""
        self._tell(self._batcher.remove(session))

    def device_state(self, device: int, ready: bool) -> None:
        if ready:
            self._batcher.ready(device)
        else:
            self._batcher.lost(device)
        self.pump()

    def done(self, device: int, number: int, outcome: Result | Failure) -> None:
        """A batch came back, or never will."""
        now = now_ms()
        flight = self._flying.pop(number, None)
        if flight is None:
            return
        dispatch = flight.dispatch
        self._batcher.done(device, now)
        self.usage[device].ended(len(dispatch.requests), now)
        if isinstance(outcome, Failure):
            log.warning("event=batch_failed device=%d reason=%r", device, outcome.message)
            for request in dispatch.requests:
                _job(request).dropped("failed")
        else:
            size = len(dispatch.requests)
            # A frame waits for the whole way to the worker and back; what of it was the host's
            # doing is learnt apart, so that a busy host does not count as a slow device.
            self._pool.profiles[device].observe(
                dispatch.variant,
                dispatch.input_size,
                size,
                outcome.device_ms,
                now,
                handover_ms=now - flight.dispatched_ms - outcome.device_ms,
            )
            for request, boxes in zip(dispatch.requests, outcome.boxes, strict=True):
                answer = Answer(
                    dispatch.variant,
                    size,
                    boxes,
                    flight.dispatched_ms,
                    outcome.ended_ms,
                    outcome.inference_ms,
                    device,
                )
                try:
                    _job(request).answered(answer)
                except Exception:  # one session's trouble is not the batch's
                    log.exception("event=answer_failed session=%s", request.session[:6])
        self.pump()
        if self._idle is not None and not self._flying:
            self._idle.set()

    def pump(self) -> None:
        """Let the batcher decide, and do what it says; sets the timer for its next look."""
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        now = now_ms()
        decision = self._batcher.next(now)
        self._tell(decision.drops)
        for dispatch in decision.dispatches:
            self._submit(dispatch)
        if decision.wake_ms is not None:
            delay = max(0.0, decision.wake_ms - now) / 1000.0
            self._wake = asyncio.get_running_loop().call_later(delay, self.pump)

    async def drain(self, most_s: float) -> None:
        """Take no more frames, and let those with a device finish, for `most_s` at most."""
        self._idle = asyncio.Event()
        if not self._flying:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(most_s):
                await self._idle.wait()

    def close(self) -> None:
        if self._wake is not None:
            self._wake.cancel()

    def _submit(self, dispatch: Dispatch) -> None:
        number = next(self._numbers)
        pictures = [_job(request).picture for request in dispatch.requests]
        self._flying[number] = _Flight(dispatch, now_ms())
        self.usage[dispatch.device].began(now_ms())
        try:
            self._pool.submit(dispatch.device, number, dispatch.variant, pictures)
        except (PoolFullError, ValueError) as error:
            del self._flying[number]
            log.warning("event=submit_refused device=%d reason=%r", dispatch.device, str(error))
            self._batcher.done(dispatch.device, now_ms())
            self.usage[dispatch.device].ended(len(dispatch.requests), now_ms())
            for request in dispatch.requests:
                _job(request).dropped("failed")
            asyncio.get_running_loop().call_soon(self.pump)  # the device is idle still

    @staticmethod
    def _tell(drops: Sequence[Drop]) -> None:
        for drop in drops:
            _job(drop.request).dropped(drop.reason)


def _job(request: FrameRequest) -> Job:
    return cast(Job, request.payload)
