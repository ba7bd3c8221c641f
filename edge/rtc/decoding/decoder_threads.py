"""Threads for decoding, a few for all sessions of an event loop, and their way back to it.

A session's work is done in its order and one piece at a time, so that one whose pictures are large
takes one thread at most. Results that come while the loop is busy wake it up once.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from weakref import WeakKeyDictionary

from edge.event_log import get_logger

LEAST, MOST = 2, 4  # threads: at least one that no large picture holds up

_log = get_logger(__name__)

Job = Callable[[], object]


class DecoderThreads:
    """The threads of one event loop; they come with the first user and go with the last.

    Its queue is bounded by its users: each has one job in it at most.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._users = 0
        self._results: deque[tuple[Callable[..., object], tuple[object, ...]]] = deque()
        self._told = False
        self._ended = False

    @classmethod
    def of_loop(cls) -> DecoderThreads:
        """The one of the running event loop, with one user more."""
        loop = asyncio.get_running_loop()
        crew = _crews.get(loop)
        if crew is None:
            crew = _crews[loop] = cls()
        crew._users += 1
        most = max(LEAST, min(MOST, len(os.sched_getaffinity(0))))
        if len(crew._threads) < min(crew._users, most):
            thread = threading.Thread(target=crew._work, name="video-decoder", daemon=True)
            crew._threads.append(thread)
            thread.start()
        return crew

    def submit(self, job: Job) -> None:
        """Do it on a thread. Not before the user's last job has come to its end."""
        self._jobs.put(job)

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        """From a thread: have the loop call it, in order."""
        self._results.append((function, arguments))
        if not self._told:
            self._told = True
            try:
                self._loop.call_soon_threadsafe(self._deliver)
            except RuntimeError:  # the loop has closed: there is nobody left to tell
                _log.debug("decoding_outlived_loop")

    def leave(self) -> None:
        """A user is done, and has no job here any more."""
        self._users -= 1
        if not self._users:
            self._ended = True
            if _crews.get(self._loop) is self:
                del _crews[self._loop]
            for _ in self._threads:
                self._jobs.put(None)

    def join(self) -> None:
        """If it has ended, return once its threads have too: they have nothing left to do."""
        if self._ended:
            for thread in self._threads:
                thread.join()

    def _deliver(self) -> None:
        self._told = False  # first: what is added from now on is told anew
        for _ in range(len(self._results)):
            function, arguments = self._results.popleft()
            try:
                function(*arguments)
            except Exception:
                _log.exception("decoder_callback_failed")

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except BaseException:  # the thread is for all sessions
                _log.exception("decoding_job_failed")


_crews: WeakKeyDictionary[asyncio.AbstractEventLoop, DecoderThreads] = WeakKeyDictionary()
