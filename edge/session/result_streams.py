"""Results for a publisher without data channels: bounded queues that event streams read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

STREAMS = 4  # of one session; the next is refused
QUEUE = 64  # results waiting for a slow reader; the oldest gives way


class ResultStreams:
    """Event streams of one source: at most `most`, each with at most `depth` texts waiting."""

    def __init__(self, most: int = STREAMS, depth: int = QUEUE) -> None:
        self._most, self._depth = most, depth
        self._queues: set[asyncio.Queue[str | None]] = set()
        self._ended = False

    def __len__(self) -> int:
        return len(self._queues)

    @contextmanager
    def open(self, first: str) -> Iterator[asyncio.Queue[str | None]]:
        """Messages as texts from now on, after `first`; None at the end.

        RuntimeError if there are too many readers already.
        """
        if len(self._queues) >= self._most:
            raise RuntimeError(f"{self._most} event streams of this are open already")
        queue: asyncio.Queue[str | None] = asyncio.Queue(self._depth)
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


def put_newest(queue: asyncio.Queue[str | None], text: str | None) -> None:
    """Put without waiting: where the reader is behind, its oldest result gives way."""
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(text)
