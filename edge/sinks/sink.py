"""One sink: its filter, its queue, and the task that hands batches to its writer.

`put` never waits, so that a slow or dead receiver costs no session anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import json
import secrets
from typing import Any

from edge.base.backoff import RetryWait
from edge.base.clock import now_ms
from edge.base.event_log import get_logger
from edge.sinks.event_filter import EventFilter, ResultMessage
from edge.sinks.event_queue import Batch, EventQueue, SinkEvent
from edge.sinks.settings import SinkSettings
from edge.sinks.writer import DeliveryError, SinkWriter

log = get_logger("edge.sinks")

MAINTAIN_S = 5.0
LAST_TRIES_S = 0.25  # between two attempts once it is stopping
CLOSE_S = 0.5  # for the writer's own end, within the time that `stop` has
MOST_WISHED_S = 300.0  # of a receiver's Retry-After


class Sink:
    """`start`, `put`, `stop`; all on the event loop."""

    def __init__(self, settings: SinkSettings, writer: SinkWriter) -> None:
        self.settings = settings
        self.name = settings.name
        self.filter = EventFilter(
            labels=settings.labels,
            classes=settings.classes,
            models=settings.models,
            min_score=settings.min_score,
            types=settings.types,
            empty=settings.empty,
            max_per_s=settings.max_per_s,
        )
        self.queue = EventQueue(settings.queue_events, settings.queue_bytes)
        self.sent = 0
        self.failures = 0
        """Attempts that failed."""
        self.error: str | None = None
        """Why the last attempt failed; None once one has worked. Where events have not arrived,
        only others that do arrive count as that: a connection alone proves nothing."""
        self._writer = writer
        self._boot = secrets.token_hex(4)  # numbers of an earlier start mean other events
        self._numbers, self._batches = itertools.count(1), itertools.count(1)
        self._in_hand: Batch | None = None
        self._wait = RetryWait()
        self._undelivered = False  # the last attempt to deliver failed
        self._failing_ms = 0.0
        self._wake, self._stopping = asyncio.Event(), asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Events that have neither been sent nor lost."""
        return len(self.queue) + (0 if self._in_hand is None else len(self._in_hand.events))

    @property
    def _has_batch(self) -> bool:
        """Whether there is no use in waiting for more: a batch is full, or the queue soon is."""
        its = self.settings
        return len(self.queue) >= min(
            its.batch_events, its.queue_events // 2
        ) or self.queue.bytes >= min(its.batch_bytes, its.queue_bytes // 2)

    def to_json(self) -> dict[str, Any]:
        """Its state for the operator."""
        return {
            "name": self.name,
            "kind": self.settings.kind,
            "target": self.settings.target,
            "sent": self.sent,
            "waiting": self.waiting,
            "thinned": self.filter.thinned,
            "lost": self.queue.lost,
            "losses": {why: count for why, count in self.queue.losses.items() if count},
            "failures": self.failures,
            "error": self.error,
        }

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"sink {self.name}")

    def put(self, message: ResultMessage) -> None:
        """A session's message, if it is wanted."""
        text = self.filter.apply(message, now_ms() / 1000.0)
        if text is None or self._stopping.is_set():
            return
        more = {
            "event": f"{self._boot}-{next(self._numbers)}",
            "session": message.session,
            "label": message.label,
            "at": round(message.at_s, 3),
        }
        text = f"{text[:-1]},{json.dumps(more, separators=(',', ':'))[1:]}"
        self.queue.put(SinkEvent(message.session, message.label, message.kind, text))
        if len(self.queue) == 1 or self._has_batch:
            self._wake.set()

    def skip(self, label: str, count: int) -> None:
        """Messages of a session with this label were lost on their way here."""
        if self.filter.wants_session(label):
            self.queue.lose("skipped", count)

    async def stop(self, within_s: float) -> None:
        """Send what waits, as far as that takes no longer; the rest is counted as lost."""
        self._stopping.set()
        self._wake.set()
        if self._task is not None:
            _, late = await asyncio.wait([self._task], timeout=max(0.0, within_s - CLOSE_S))
            for task in late:
                task.cancel()
                await asyncio.wait([task], timeout=CLOSE_S)
        if self._in_hand is not None:
            self.queue.lose("left", len(self._in_hand.events))
            self._in_hand = None
        self.queue.clear()
        lost = {f"lost_{why}": count for why, count in self.queue.losses.items() if count}
        log.info("sink_stopped", sink=self.name, sent=self.sent, **lost)

    async def _run(self) -> None:
        try:
            await self._maintain()
            while await self._events_come():
                await self._linger()
                batch_id = f"{self._boot}-{next(self._batches)}"
                settings = self.settings
                self._in_hand = self.queue.take(
                    batch_id, settings.batch_events, settings.batch_bytes
                )
                await self._deliver(self._in_hand)
                self._in_hand = None
        finally:
            with contextlib.suppress(DeliveryError):
                await self._writer.close()

    async def _events_come(self) -> bool:
        """Wait for events; False once it is stopping and there are none."""
        while not self.queue:
            if self._stopping.is_set():
                return False
            self._wake.clear()
            try:
                async with asyncio.timeout(MAINTAIN_S):
                    await self._wake.wait()
            except TimeoutError:
                await self._maintain()
        return True

    async def _linger(self) -> None:
        """A little time for more events of the same batch."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.settings.linger_s):
                while not self._has_batch and not self._stopping.is_set():
                    self._wake.clear()
                    await self._wake.wait()

    async def _maintain(self) -> None:
        try:
            await self._writer.maintain()
        except DeliveryError as error:
            self._failed(error)
        except Exception as error:
            log.exception("sink_defect", sink=self.name)
            self._failed(DeliveryError(type(error).__name__))
        else:
            if not self._undelivered:
                self._worked()

    async def _deliver(self, batch: Batch) -> None:
        """Try until it has arrived or is given up."""
        begin_ms = now_ms()
        while True:
            try:
                await self._writer.deliver(batch)
            except DeliveryError as error:
                failure = error
            except Exception as error:  # a defect must not end the sink
                log.exception("sink_defect", sink=self.name)
                failure = DeliveryError(type(error).__name__)
            else:
                self.sent += len(batch.events)
                self.queue.told(batch)
                self._undelivered = False
                self._worked()
                return
            self._undelivered = True
            self._failed(failure)
            if failure.left is not None:
                self.sent += len(batch.events) - len(failure.left)
                batch = self._in_hand = dataclasses.replace(batch, events=failure.left)
            if failure.refused:
                self.queue.lose("refused", len(batch.events))
                return
            if now_ms() - begin_ms > 1000.0 * self.settings.give_up_s:
                self.queue.lose("expired", len(batch.events))
                return
            await self._pause(failure.retry_after_s)

    async def _pause(self, at_least_s: float | None) -> None:
        """Wait before the next attempt; shorter once it is stopping."""
        wait_s = self._wait.next_s(min(at_least_s or 0.0, MOST_WISHED_S))
        if self._stopping.is_set():
            await asyncio.sleep(LAST_TRIES_S)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._stopping.wait()

    def _failed(self, error: DeliveryError) -> None:
        self.failures += 1
        if self.error is None:
            self._failing_ms = now_ms()
            log.warning("sink_failing", sink=self.name, reason=str(error))
        self.error = str(error)

    def _worked(self) -> None:
        self._wait.worked()
        if self.error is not None:
            failing_s = round((now_ms() - self._failing_ms) / 1000.0, 1)
            log.info("sink_works", sink=self.name, failing_s=failing_s, lost=self.queue.lost)
        self.error = None
