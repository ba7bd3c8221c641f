"""Carries out the batcher's decisions: from sessions to workers, and back.

The batcher's mailbox, two frames a session at most, is the only queue here; a worker's frames are
in `_in_flight`, bounded by the workers' slots.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, cast

from edge.base.clock import now_ms
from edge.base.event_log import get_logger
from edge.batching.batcher import Batcher, Dispatch, Drop, FrameRequest
from edge.batching.device_usage import DeviceUsage
from edge.ipc.picture import Packable
from edge.models.boxes import Box
from edge.profile.variant import Variant
from edge.workers.handle import BatchFailure, BatchResult
from edge.workers.pool import WorkerPool

log = get_logger("edge.batching.dispatcher")


@dataclass(slots=True)
class Answer:
    """The detector's boxes in a frame, and when they were found (server-monotonic ms)."""

    variant: str
    batch: int
    boxes: Sequence[Box]
    dispatched_ms: float
    inferred_ms: float
    device: int


@dataclass(slots=True)
class InferenceJob:
    """A request's payload: its picture, and two callbacks, exactly one of which is called."""

    picture: Packable
    answered: Callable[[Answer], None]
    dropped: Callable[[str], None]


class FrameSink(Protocol):
    """Takes a session's frames: the dispatcher itself, or a connection to its process."""

    def offer(self, request: FrameRequest) -> None:
        """Takes a frame whose payload is an InferenceJob; an older one is superseded."""

    def remove(self, session: str) -> None:
        """Drops a session's waiting frames."""


@dataclass(frozen=True, slots=True)
class _InFlightBatch:
    dispatch: Dispatch
    dispatched_ms: float


class Dispatcher:
    """Lives on the event loop; no method but `drain` awaits."""

    def __init__(
        self,
        pool: WorkerPool,
        batcher: Batcher,
        is_loaded: Callable[[str], bool] | None = None,
    ) -> None:
        """`is_loaded` tells of a network whether it is; None: all are, always."""
        self._pool = pool
        self._is_loaded = is_loaded
        self._batcher = batcher
        self._numbers = itertools.count()
        self._in_flight: dict[int, _InFlightBatch] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._idle: asyncio.Event | None = None
        """Exists while draining; set once no batch is in flight."""
        self.usage = [DeviceUsage() for _ in pool.profiles]

    @property
    def in_flight(self) -> int:
        """Batches that devices are working on."""
        return len(self._in_flight)

    @property
    def waiting(self) -> int:
        """Frames that wait for a device."""
        return self._batcher.waiting

    def offer(self, request: FrameRequest) -> None:
        """Takes a frame whose payload is an InferenceJob; an older one is superseded."""
        if self._idle is not None:
            _drop(request, "no_plan")
            return
        if (is_loaded := self._is_loaded) is not None:  # a plan is a moment older than that
            variants = tuple(
                each for each in request.variants if is_loaded(Variant.parse(each).network)
            )
            if not variants:
                _drop(request, "no_plan")
                return
            request = replace(request, variants=variants)
        self._notify_dropped(self._batcher.put(request, now_ms()))
        self.pump()

    def remove(self, session: str) -> None:
        """Drops a session's waiting frames."""
        self._notify_dropped(self._batcher.remove(session))

    def device_state(self, device: int, ready: bool) -> None:
        """The device became able, or unable, to take batches."""
        if ready:
            self._batcher.ready(device)
        else:
            self._batcher.lost(device)
        self.pump()

    def done(self, device: int, number: int, outcome: BatchResult | BatchFailure) -> None:
        """A batch came back, or failed."""
        now = now_ms()
        batch = self._in_flight.pop(number, None)
        if batch is None:
            return
        dispatch = batch.dispatch
        self._batcher.done(device, now)
        self.usage[device].ended(len(dispatch.requests), now)
        if isinstance(outcome, BatchFailure):
            log.warning("batch_failed", device=device, reason=outcome.message)
            for request in dispatch.requests:
                _drop(request, "failed")
        else:
            size = len(dispatch.requests)
            # A frame waits for the transfer to the worker and back, too. The host's part of that is
            # learnt apart, so that a busy host does not count as a slow device.
            self._pool.profiles[device].observe(
                dispatch.variant,
                dispatch.input_size,
                size,
                outcome.device_ms,
                now,
                handover_ms=now - batch.dispatched_ms - outcome.device_ms,
            )
            for request, boxes in zip(dispatch.requests, outcome.boxes, strict=True):
                answer = Answer(
                    dispatch.variant,
                    size,
                    boxes,
                    batch.dispatched_ms,
                    outcome.ended_ms,
                    device,
                )
                _answer(request, answer)
        self.pump()
        if self._idle is not None and not self._in_flight:
            self._idle.set()

    def pump(self) -> None:
        """Carries out the batcher's next decision, and sets the timer for the one after it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = now_ms()
        decision = self._batcher.next(now)
        self._notify_dropped(decision.drops)
        for dispatch in decision.dispatches:
            self._submit(dispatch)
        if decision.wake_ms is not None:
            delay = max(0.0, decision.wake_ms - now) / 1000.0
            self._timer = asyncio.get_running_loop().call_later(delay, self.pump)

    async def drain(self, timeout_s: float) -> None:
        """Refuses new frames, and waits up to `timeout_s` for the batches in flight."""
        self._idle = asyncio.Event()
        if not self._in_flight:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()

    def close(self) -> None:
        """Stops the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def _submit(self, dispatch: Dispatch) -> None:
        number = next(self._numbers)
        pictures = [_job(request).picture for request in dispatch.requests]
        self._in_flight[number] = _InFlightBatch(dispatch, now_ms())
        self.usage[dispatch.device].began(now_ms())
        try:
            self._pool.submit(dispatch.device, number, dispatch.variant, pictures)
        except Exception as error:  # without a free slot, or a picture that can't be packed
            del self._in_flight[number]
            log.warning("submit_refused", device=dispatch.device, reason=str(error))
            self._batcher.done(dispatch.device, now_ms())
            self.usage[dispatch.device].ended(len(dispatch.requests), now_ms())
            for request in dispatch.requests:
                _drop(request, "failed")
            asyncio.get_running_loop().call_soon(self.pump)  # the device is still idle

    @staticmethod
    def _notify_dropped(drops: Sequence[Drop]) -> None:
        for drop in drops:
            _drop(drop.request, drop.reason)


# One session's defect must not cost the others their answers, nor the batcher its state.


def _answer(request: FrameRequest, answer: Answer) -> None:
    try:
        _job(request).answered(answer)
    except Exception:
        log.exception("answer_failed", session=request.session[:6])


def _drop(request: FrameRequest, reason: str) -> None:
    try:
        _job(request).dropped(reason)
    except Exception:
        log.exception("drop_failed", session=request.session[:6], reason=reason)


def _job(request: FrameRequest) -> InferenceJob:
    return cast(InferenceJob, request.payload)
