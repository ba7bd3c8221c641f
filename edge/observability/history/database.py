"""The history in SQLite: points of the server's charts, and sessions that have ended.

Bounded: rows older than `hours` go first, then the oldest rows beyond `ENDED_ROWS`, then the
oldest of both while more than `max_bytes` are in use. A file that is no sound database is moved
aside. Blocks: belongs to the thread of `edge.observability.history.store`.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge.base.durable_file import move_aside
from edge.base.event_log import get_logger
from edge.observability.history.points import Point

log = get_logger("edge.observability.history.database")

SCHEMA = 1
ENDED_ROWS = 2_000
DETAIL_BYTES = 256_000  # of one session, before it is compressed; one with more keeps its summary
_TABLES = """
CREATE TABLE IF NOT EXISTS points (at_s REAL PRIMARY KEY, point TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ended (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, label TEXT NOT NULL,
    ended_s REAL NOT NULL, summary TEXT NOT NULL, detail BLOB
);
CREATE INDEX IF NOT EXISTS ended_by_name ON ended (name);
CREATE INDEX IF NOT EXISTS ended_by_label ON ended (label, id);
"""


class HistoryDatabase:
    """Raises sqlite3.OperationalError where the disk fails or another server uses the file."""

    def __init__(self, path: Path, *, hours: float, max_bytes: int) -> None:
        self._path, self._hours, self._max_bytes = path, hours, max_bytes
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            self._connection = self._open()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            self.replace(error)

    def replace(self, error: Exception) -> None:
        """Move the damaged file aside, and begin a new one."""
        self.close()
        aside = move_aside(self._path) if self._path.exists() else None
        for end in ("-wal", "-journal", "-shm"):
            self._path.with_name(self._path.name + end).unlink(missing_ok=True)
        log.warning("history_damaged", file=self._path, moved_to=aside, error=error)
        self._connection = self._open()

    def close(self) -> None:
        with contextlib.suppress(sqlite3.Error, AttributeError):
            self._connection.close()

    def _open(self) -> sqlite3.Connection:
        self._path.touch(mode=0o600)
        connection = sqlite3.connect(self._path, timeout=0.5, isolation_level=None)
        try:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA journal_size_limit = 1000000")
            [sound] = connection.execute("PRAGMA quick_check(1)").fetchone()
            [schema] = connection.execute("PRAGMA user_version").fetchone()
            if sound != "ok" or schema not in (0, SCHEMA):
                raise sqlite3.DatabaseError(f"{sound}, schema {schema}")
            connection.executescript(_TABLES)
            connection.execute(f"PRAGMA user_version = {SCHEMA}")
        except BaseException:
            connection.close()
            raise
        return connection

    def add_point(self, at_s: float, point: Point) -> None:
        text = json.dumps(point, separators=(",", ":"))
        self._connection.execute("INSERT OR REPLACE INTO points VALUES (?, ?)", (at_s, text))

    def add_ended(self, summary: Mapping[str, Any], detail: Mapping[str, Any]) -> None:
        """A session that has ended: its row in lists, and what its own page shows."""
        text = json.dumps(detail, separators=(",", ":")).encode()
        self._connection.execute(
            "INSERT INTO ended (name, label, ended_s, summary, detail) VALUES (?, ?, ?, ?, ?)",
            (
                summary["name"],
                summary["label"],
                summary["ended_s"],
                json.dumps(summary, separators=(",", ":")),
                zlib.compress(text) if len(text) <= DETAIL_BYTES else None,
            ),
        )

    def points(self, since_s: float) -> list[tuple[float, dict[str, Any]]]:
        rows = self._connection.execute(
            "SELECT at_s, point FROM points WHERE at_s >= ? ORDER BY at_s", (since_s,)
        )
        return [(at_s, json.loads(point)) for at_s, point in rows]

    def ended(self, limit: int, before: int | None, label: str | None) -> list[dict[str, Any]]:
        """The latest, newest first: below the id `before`, and of that label, where given."""
        rows = self._connection.execute(
            "SELECT id, summary FROM ended WHERE (? IS NULL OR id < ?) AND (? IS NULL OR label = ?)"
            " ORDER BY id DESC LIMIT ?",
            (before, before, label, label, limit),
        )
        return [{"id": number, **json.loads(summary)} for number, summary in rows]

    def ended_session(self, name: str) -> dict[str, Any] | None:
        """The latest of that name, with its details; None if there is none."""
        row = self._connection.execute(
            "SELECT id, summary, detail FROM ended WHERE name = ? ORDER BY id DESC LIMIT 1", (name,)
        ).fetchone()
        if row is None:
            return None
        number, summary, detail = row
        details = {"session": None, "history": None}
        details |= {} if detail is None else json.loads(zlib.decompress(detail))
        return {"id": number, **json.loads(summary), **details}

    def prune(self, now_s: float) -> None:
        """Delete what is too old or too much."""
        run = self._connection.execute
        oldest_s = now_s - 3600.0 * self._hours
        run("DELETE FROM points WHERE at_s < ? OR at_s > ?", (oldest_s, now_s + 3600.0))
        run("DELETE FROM ended WHERE ended_s < ?", (oldest_s,))
        run(
            "DELETE FROM ended WHERE id <= (SELECT max(id) FROM ended) - ?",
            (ENDED_ROWS,),
        )
        while self._used_bytes() > self._max_bytes:
            deleted = 0
            for table, key in (("ended", "id"), ("points", "at_s")):
                [count] = run(f"SELECT count(*) FROM {table}").fetchone()
                some = (count + 9) // 10
                deleted += run(
                    f"DELETE FROM {table} WHERE {key} IN"
                    f" (SELECT {key} FROM {table} ORDER BY {key} LIMIT ?)",
                    (some,),
                ).rowcount
            if not deleted:
                break
        run("PRAGMA wal_checkpoint(TRUNCATE)")

    def _used_bytes(self) -> int:
        """Of pages with content: those that are free are used next."""
        size, pages, free = (
            self._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_size", "page_count", "freelist_count")
        )
        return int(size * (pages - free))
