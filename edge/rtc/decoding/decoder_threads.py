"""A few decoding threads for all sessions of an event loop.

A session's jobs run one at a time and in order, so that a session with large pictures occupies one
thread at most. Results that come while the loop is busy wake it up once.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from weakref import WeakKeyDictionary

from edge.base.event_log import get_logger

MIN_THREADS, MAX_THREADS = 2, 4  # one at least that no large picture occupies

_log = get_logger(__name__)

DecodingJob = Callable[[], object]


class DecoderThreads:
    """The threads of one event loop, from the first user's `acquire` to the last one's `release`.

    The job queue is bounded by the users: each has one job in it at most.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[DecodingJob | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._users = 0
        self._results: deque[tuple[Callable[..., object], tuple[object, ...]]] = deque()
        self._delivery_scheduled = False
        self._ended = False

    @classmethod
    def acquire(cls) -> DecoderThreads:
        """The threads of the running event loop, for one more user."""
        loop = asyncio.get_running_loop()
        threads = _by_loop.get(loop)
        if threads is None:
            threads = _by_loop[loop] = cls()
        threads._users += 1
        limit = max(MIN_THREADS, min(MAX_THREADS, len(os.sched_getaffinity(0))))
        if len(threads._threads) < min(threads._users, limit):
            thread = threading.Thread(target=threads._run, name="video-decoder", daemon=True)
            threads._threads.append(thread)
            thread.start()
        return threads

    def submit(self, job: DecodingJob) -> None:
        """Run a job on a thread; not before the user's last job has ended."""
        self._jobs.put(job)

    def call_in_loop(self, function: Callable[..., object], *arguments: object) -> None:
        """From a thread: have the event loop call a function; calls keep their order."""
        self._results.append((function, arguments))
        if not self._delivery_scheduled:
            self._delivery_scheduled = True
            try:
                self._loop.call_soon_threadsafe(self._deliver)
            except RuntimeError:  # the loop has closed
                _log.debug("decoding_outlived_loop")

    def release(self) -> None:
        """A user has ended; it has no job here any more."""
        self._users -= 1
        if not self._users:
            self._ended = True
            if _by_loop.get(self._loop) is self:
                del _by_loop[self._loop]
            for _ in self._threads:
                self._jobs.put(None)

    def join(self) -> None:
        """After the last user's release, wait until the threads have ended; they have no jobs."""
        if self._ended:
            for thread in self._threads:
                thread.join()

    def _deliver(self) -> None:
        self._delivery_scheduled = False  # first: a result added from now on schedules the next
        for _ in range(len(self._results)):
            function, arguments = self._results.popleft()
            try:
                function(*arguments)
            except Exception:
                _log.exception("decoder_callback_failed")

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except BaseException:  # the thread serves all sessions
                _log.exception("decoding_job_failed")


_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, DecoderThreads] = WeakKeyDictionary()
