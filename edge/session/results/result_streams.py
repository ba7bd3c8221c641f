"""Bounded queues of messages for event streams: a slow reader loses its oldest messages."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

STREAMS = 5  # of one session, the operator's feed among them; the next is refused
QUEUE = 64  # results waiting for a slow reader; the oldest is dropped

Message = TypeVar("Message")


class TooManyStreamsError(Exception):
    """A source has as many readers as it may have."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} event streams of this are open already")


class ResultQueue(asyncio.Queue[str | None]):
    """Messages of one reader; `skipped` counts those that it has lost, here or on their way."""

    skipped = 0


class ResultStreams:
    """Event streams of one source: at most `limit`, each with at most `depth` messages waiting."""

    def __init__(self, limit: int = STREAMS, depth: int = QUEUE) -> None:
        self._limit, self._depth = limit, depth
        self._queues: set[ResultQueue] = set()
        self._ended = False

    def __len__(self) -> int:
        return len(self._queues)

    @contextmanager
    def open(self, first: str) -> Iterator[ResultQueue]:
        """A queue of `first` and the messages from now on; None marks the end.

        TooManyStreamsError if `limit` are open already.
        """
        if len(self._queues) >= self._limit:
            raise TooManyStreamsError(self._limit)
        queue = ResultQueue(self._depth)
        queue.put_nowait(first)
        if self._ended:
            queue.put_nowait(None)
        self._queues.add(queue)
        try:
            yield queue
        finally:
            self._queues.discard(queue)

    def put(self, text: str) -> None:
        for queue in self._queues:
            put_newest(queue, text)

    def end(self) -> None:
        self._ended = True
        for queue in self._queues:
            put_newest(queue, None)


def put_newest(queue: asyncio.Queue[Message], message: Message) -> None:
    """Put without waiting; a full queue drops its oldest message."""
    if queue.full():
        queue.get_nowait()
        if isinstance(queue, ResultQueue):
            queue.skipped += 1
    queue.put_nowait(message)
