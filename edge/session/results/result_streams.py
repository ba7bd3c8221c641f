"""Messages for event streams and followers. A slow stream loses its oldest messages; a follower is
called at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from edge.base.event_log import get_logger

STREAMS = 5  # of one session, the operator's feed among them; the next is refused
QUEUE = 64  # results waiting for a slow reader; the oldest is dropped

Message = TypeVar("Message")
Listener = Callable[[str | None, int], None]
"""Called with each text, None at the end, and how many were lost on their way so far."""

_log = get_logger(__name__)


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
        self._listeners: dict[object, Listener] = {}
        self._ended = False

    def __len__(self) -> int:
        return len(self._queues) + len(self._listeners)

    @contextmanager
    def open(self, first: str) -> Iterator[ResultQueue]:
        """A queue of `first` and the messages from now on; None marks the end.

        TooManyStreamsError if `limit` are open already.
        """
        self._check_room()
        queue = ResultQueue(self._depth)
        queue.put_nowait(first)
        if self._ended:
            queue.put_nowait(None)
        self._queues.add(queue)
        try:
            yield queue
        finally:
            self._queues.discard(queue)

    def follow(self, first: str, listener: Listener) -> Callable[[], None]:
        """Call `listener` with `first` and each message from now on, as it is put: that takes
        neither a queue nor a task. The function returned ends it.

        TooManyStreamsError if `limit` are open already.
        """
        self._check_room()
        key = object()
        self._listeners[key] = listener
        _call(listener, first)
        if self._ended:
            _call(listener, None)

        def leave() -> None:
            self._listeners.pop(key, None)

        return leave

    def put(self, text: str) -> None:
        self._put(text)

    def end(self) -> None:
        self._ended = True
        self._put(None)

    def _put(self, text: str | None) -> None:
        for queue in self._queues:
            put_newest(queue, text)
        for listener in [*self._listeners.values()]:
            _call(listener, text)

    def _check_room(self) -> None:
        if len(self) >= self._limit:
            raise TooManyStreamsError(self._limit)


def _call(listener: Listener, text: str | None) -> None:
    try:
        listener(text, 0)
    except Exception:  # one's failure costs neither the others nor the frame
        _log.exception("result_listener_failed")


def put_newest(queue: asyncio.Queue[Message], message: Message) -> None:
    """Put without waiting; a full queue drops its oldest message."""
    if queue.full():
        queue.get_nowait()
        if isinstance(queue, ResultQueue):
            queue.skipped += 1
    queue.put_nowait(message)
