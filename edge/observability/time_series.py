"""The last minutes, second by second: what the operator's charts show. Pure: time is an argument.

Bounded: so many points of so many columns, 4 bytes each; the oldest gives way.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence

EVERY_MS = 1_000.0
POINTS = 600  # ten minutes of the server
SESSION_POINTS = 300  # five of each session
SESSION_COLUMNS = ("p50_ms", "p99_ms", "missed", "link_bps", "bps")

Value = float | None


class RingBuffer:
    """The latest `length` rows of named columns."""

    def __init__(self, columns: Sequence[str], length: int) -> None:
        self.columns = tuple(columns)
        self._length = length
        self._times = array("d")
        self._values = [array("f") for _ in self.columns]
        self._next = 0

    def __len__(self) -> int:
        return len(self._times)

    def add(self, at_s: float, row: Mapping[str, Value]) -> None:
        """A row; columns that it lacks have no value then."""
        values = [row.get(column) for column in self.columns]
        numbers = [math.nan if value is None else value for value in values]
        if len(self._times) < self._length:
            self._times.append(at_s)
            for column, number in zip(self._values, numbers, strict=True):
                column.append(number)
            return
        self._times[self._next] = at_s
        for column, number in zip(self._values, numbers, strict=True):
            column[self._next] = number
        self._next = (self._next + 1) % self._length

    def to_json(self, last: int | None = None) -> dict[str, list[Value]]:
        """Columns of the last so many rows, oldest first, and `t`, their times in Unix seconds."""
        skip = 0 if last is None else max(0, len(self) - last)
        order = [*range(self._next, len(self)), *range(self._next)][skip:]
        table: dict[str, list[Value]] = {"t": [round(self._times[i], 1) for i in order]}
        for name, column in zip(self.columns, self._values, strict=True):
            table[name] = [None if math.isnan(column[i]) else _short(column[i]) for i in order]
        return table


class TimeSeries:
    """The server's ring, and one for each session that is there."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.fleet = RingBuffer(columns, POINTS)
        self.sessions: dict[str, RingBuffer] = {}

    def add(
        self, at_s: float, fleet: Mapping[str, Value], sessions: Mapping[str, Mapping[str, Value]]
    ) -> None:
        """A point of each; the rings of sessions that are not among these go."""
        self.fleet.add(at_s, fleet)
        self.forget(sessions)
        for name, row in sessions.items():
            if name not in self.sessions:
                self.sessions[name] = RingBuffer(SESSION_COLUMNS, SESSION_POINTS)
            self.sessions[name].add(at_s, row)

    def forget(self, but: Iterable[str]) -> None:
        """The sessions that have left."""
        stay = set(but)
        self.sessions = {name: ring for name, ring in self.sessions.items() if name in stay}


def _short(value: float) -> float:
    """Four digits are more than a chart shows."""
    return float(f"{value:.4g}")
