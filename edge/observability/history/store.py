"""The history's thread: it writes and reads the database, so that no disk delays the event loop."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from edge.base.event_log import get_logger
from edge.observability.history.database import HistoryDatabase
from edge.observability.history.points import Point, combine, to_columns

log = get_logger("edge.observability.history.store")

POINT_S = 10  # seconds of the server's charts in one point
WAITING = 500  # writes and questions that wait for the disk; a further one is dropped, and counted
PRUNE_S = 60.0
REOPEN_S = 30.0  # after a failure
STOP_S = 0.5  # for what waits as the server stops
MAX_POINTS = 720  # in an answer

_Work = Callable[[HistoryDatabase], Any]


class HistoryUnavailableError(Exception):
    """The history cannot be read now; the message says why."""


def _prune(database: HistoryDatabase) -> None:
    database.prune(time.time())


class HistoryStore:
    """`start` and `stop` its thread; no other method waits for the disk."""

    def __init__(self, path: Path, *, hours: float, max_bytes: int) -> None:
        self.lost = 0
        """Points and sessions that could not be kept."""
        self._path, self._hours, self._max_bytes = path, hours, max_bytes
        self._work: queue.Queue[tuple[_Work, Future[Any] | None] | None] = queue.Queue(WAITING)
        self._thread: threading.Thread | None = None
        self._points: list[Point] = []
        self._database: HistoryDatabase | None = None
        self._failed_s = float("-inf")
        self._told = ""  # the failure that was logged last: it is logged once, until a write works

    def start(self) -> None:
        if self._hours > 0:
            self._thread = threading.Thread(target=self._run, name="history", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Write what waits, for a moment. Blocks: not for the event loop."""
        if self._thread is None:
            return
        try:
            self._work.put(None, timeout=STOP_S)
        except queue.Full:
            return
        self._thread.join(STOP_S)

    def add_point(self, at_s: float, point: Point) -> None:
        """A second of the server's charts; every `POINT_S` of them are kept as one point."""
        self._points.append(dict(point))
        if len(self._points) < POINT_S:
            return
        combined, self._points = combine(self._points), []
        self._put(lambda database: database.add_point(round(at_s, 1), combined))

    def add_ended(self, summary: Mapping[str, Any], detail: Mapping[str, Any]) -> None:
        """A session that has ended."""
        self._put(lambda database: database.add_ended(summary, detail))

    async def columns(self, hours: float) -> dict[str, list[float | None]]:
        """The server's charts of the last hours, at most `MAX_POINTS` points."""
        since_s = time.time() - 3600.0 * hours
        step_s = max(float(POINT_S), 3600.0 * hours / MAX_POINTS)

        def read(database: HistoryDatabase) -> dict[str, list[float | None]]:
            return to_columns(database.points(since_s), step_s)

        columns: dict[str, list[float | None]] = await self._ask(read)
        return columns

    async def ended(
        self, limit: int, before: int | None = None, label: str | None = None
    ) -> list[dict[str, Any]]:
        sessions: list[dict[str, Any]] = await self._ask(
            lambda database: database.ended(limit, before, label)
        )
        return sessions

    async def ended_session(self, name: str) -> dict[str, Any] | None:
        session: dict[str, Any] | None = await self._ask(
            lambda database: database.ended_session(name)
        )
        return session

    def _put(self, work: _Work) -> None:
        if self._thread is None:
            return
        try:
            self._work.put_nowait((work, None))
        except queue.Full:
            self.lost += 1

    async def _ask(self, work: _Work) -> Any:
        if self._thread is None:
            raise HistoryUnavailableError("no history is kept: history_hours is 0")
        answer: Future[Any] = Future()
        try:
            self._work.put_nowait((work, answer))
        except queue.Full:
            raise HistoryUnavailableError("the history's disk does not keep up") from None
        return await asyncio.wrap_future(answer)

    # In the thread

    def _run(self) -> None:
        self._do(_prune, None)  # opens it: what prevents that is told at the start
        pruned_s = time.monotonic()
        self._failed_s = float("-inf")  # a server that ends may have it: not given up for long
        while (item := self._work.get()) is not None:
            self._do(*item)
            if time.monotonic() - pruned_s > PRUNE_S:
                pruned_s = time.monotonic()
                self._do(_prune, None)
        if self._database is not None:
            self._database.close()

    def _do(self, work: _Work, answer: Future[Any] | None) -> None:
        if answer is not None and not answer.set_running_or_notify_cancel():
            return
        try:
            result = self._with_database(work)
        except (sqlite3.Error, zlib.error, OSError, ValueError) as error:
            self.lost += answer is None and work is not _prune
            if answer is not None:
                answer.set_exception(HistoryUnavailableError(f"the history: {error}"))
            return
        if answer is not None:
            answer.set_result(result)
        else:
            self._told = ""  # it can be written

    def _with_database(self, work: _Work) -> Any:
        """Do it; a database that turns out to be damaged is replaced first."""
        if self._database is None:
            self._open()
        database = self._database
        assert database is not None
        try:
            return work(database)
        except sqlite3.OperationalError as error:
            self._tell("history_failed", error)
            self._close()
            raise
        except sqlite3.DatabaseError as error:
            database.replace(error)
            return work(database)

    def _open(self) -> None:
        if time.monotonic() - self._failed_s < REOPEN_S:
            raise sqlite3.OperationalError("it could not be opened a moment ago")
        try:
            self._database = HistoryDatabase(
                self._path, hours=self._hours, max_bytes=self._max_bytes
            )
        except (sqlite3.Error, OSError) as error:
            self._failed_s = time.monotonic()
            self._tell("history_not_opened", error)
            raise

    def _tell(self, event: str, error: Exception) -> None:
        if self._told != (text := f"{event} {error}"):
            log.warning(event, file=self._path, error=error)
        self._told = text

    def _close(self) -> None:
        assert self._database is not None
        self._database.close()
        self._database = None
        self._failed_s = time.monotonic()
