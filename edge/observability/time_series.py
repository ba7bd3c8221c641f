"""The last minutes, one point a second, for the operator's charts. Pure: time is an argument.

Memory is bounded: a fixed number of points and columns of 8 bytes each; the oldest point is
overwritten. Values are rounded as they come, not each time that they are read.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence

PERIOD_MS = 1_000.0
POINTS = 600  # of the server: ten minutes
SESSION_POINTS = 300  # of each session: five minutes
SESSION_COLUMNS = ("p50_ms", "p99_ms", "missed", "link_bps", "bps")

Value = float | None


class RingBuffer:
    """The latest `length` rows of named columns."""

    def __init__(self, columns: Sequence[str], length: int) -> None:
        self.columns = tuple(columns)
        self._length = length
        self._times = array("d")
        self._values = [array("d") for _ in self.columns]
        self._next = 0

    def __len__(self) -> int:
        return len(self._times)

    def add(self, at_s: float, row: Mapping[str, Value]) -> None:
        """Append a row; a column that is missing from it has no value there."""
        at_s = round(at_s, 1)
        values = [row.get(column) for column in self.columns]
        numbers = [math.nan if value is None else _rounded(value) for value in values]
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
        """The columns of the last `last` rows (None: all), oldest first; `t` is in Unix seconds."""
        skip = 0 if last is None else max(0, len(self) - last)
        order = [*range(self._next, len(self)), *range(self._next)][skip:]
        table: dict[str, list[Value]] = {"t": [self._times[i] for i in order]}
        for name, column in zip(self.columns, self._values, strict=True):
            values = (column[i] for i in order)
            table[name] = [None if value != value else value for value in values]  # noqa: PLR0124
        return table


class TimeSeries:
    """The server's ring buffer, and one for each session that is present."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.fleet = RingBuffer(columns, POINTS)
        self.sessions: dict[str, RingBuffer] = {}

    def add(
        self, at_s: float, fleet: Mapping[str, Value], sessions: Mapping[str, Mapping[str, Value]]
    ) -> None:
        """Add a point to each; the buffers of sessions without a point are removed."""
        self.fleet.add(at_s, fleet)
        self._keep_only(sessions)
        for name, row in sessions.items():
            if name not in self.sessions:
                self.sessions[name] = RingBuffer(SESSION_COLUMNS, SESSION_POINTS)
            self.sessions[name].add(at_s, row)

    def _keep_only(self, names: Iterable[str]) -> None:
        present = set(names)
        self.sessions = {name: ring for name, ring in self.sessions.items() if name in present}


def _rounded(value: float) -> float:
    """To four significant digits, more than a chart can show."""
    return float(f"{value:.4g}")
