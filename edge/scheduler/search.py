"""Which columns, a variant at a batch size each, the GPUs should run: many choices at a time.

GPUs are alike, so a choice is a sorted row of column numbers. A choice is judged by packing all
clients greedily into it, those with the fewest ways out first; numpy does that for thousands of
choices side by side. The search builds a choice GPU by GPU, replaces its columns one by one, then
two at a time in opposite directions, then follows the best few neighbours at once.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edge.scheduler.rules import Integers
from edge.scheduler.tables import Tables

Floats = NDArray[np.float64]

SWEEPS = 20
BEAM, MIN_BEAM = 96, 8  # choices followed at once: so many GPUs in all of them, at least so many
PATIENCE, KEPT = 3, 64
CHUNK = 1 << 17  # choices x GPUs that are judged in one go
_LEAST = 1e-9  # a smaller gain is rounding


class Search:
    """The search over one problem's columns, best and then most demanding variants first."""

    def __init__(self, tables: Tables, effort: float) -> None:
        columns = tables.columns
        self.gpus = tables.problem.gpus
        self.size = len(columns.variant)
        mean = tables.worth.mean(axis=0)
        rank = np.lexsort((-columns.need, -mean[columns.variant]))
        self.variant, self.batch = columns.variant[rank], columns.batch[rank]
        self.weight = tables.weight
        self.room = tables.room(columns.capacity[rank])
        allowed = tables.budget[:, self.variant] >= columns.need[rank]
        self.worth: Floats = np.where(allowed, tables.worth[:, self.variant], 0.0)
        self.order: Integers = np.lexsort((-tables.rate, allowed.sum(axis=1)))
        self._codes = np.rint(self.worth * 1e6).astype(np.int32)  # comparable, 0 if not allowed
        self._room, self._weight = self.room.astype(np.float32), self.weight.astype(np.float32)
        self._ladder = np.cumsum(np.diff(self.variant, prepend=self.variant[:1]) != 0)
        self._close: dict[tuple[int, int, int], Integers] = {}
        self.bound = float(self.worth.max(axis=1, initial=0.0).sum())
        """What no choice is worth more than: everybody has the best that could serve them."""
        self._left = effort
        self._seen: dict[bytes, float] = {}

    def run(self) -> list[Integers]:
        """The best choices found, best first."""
        choice = np.zeros(0, dtype=np.int64)
        for _ in range(self.gpus):
            choice, value = self._best(self._with(choice))
        if value < self.bound - _LEAST:
            self._exchange(self._sweep(choice))
            self._spread()
        return [np.frombuffer(key, dtype=np.int64) for key in self._ranked()[:KEPT]]

    def judge(self, choices: Integers) -> Floats:
        """The value of each choice (a row) when clients are packed greedily."""
        self._left -= choices.size * len(self.order)
        count, bins = choices.shape
        columns = np.ascontiguousarray(choices.T)
        flat_columns, every = columns.ravel(), np.arange(count)
        left = self._room.take(columns)
        flat_left = left.ravel()
        value = np.zeros(count)
        last = bins - 1
        # A bin's offer is what it is worth, and among equals the first counts: one number, so
        # that the greatest tells which bin it is.
        place = (last - np.arange(bins, dtype=np.int32))[:, None]
        codes = self._codes * np.int32(bins)
        for client in self.order:
            weight = self._weight[client]
            offer = codes[client].take(columns)
            offer += place
            offer *= left >= weight
            best = offer.max(axis=0)
            fits = best >= bins
            at = (last - best % bins) * count + every
            value += self.worth[client].take(flat_columns.take(at)) * fits
            flat_left[at] -= weight * fits
        return value

    def _best(self, choices: Integers) -> tuple[Integers, float]:
        """The best of the choices; the better ones are remembered if they are whole."""
        values = self._values(choices)
        if choices.shape[1] == self.gpus:
            for index in np.argsort(-values, kind="stable")[:KEPT]:
                self._seen[choices[index].tobytes()] = float(values[index])
        best = int(values.argmax())
        return choices[best], float(values[best])

    def _values(self, choices: Integers) -> Floats:
        step = max(CHUNK // choices.shape[1], 1)
        parts = [choices[at : at + step] for at in range(0, len(choices), step)]
        return np.concatenate([self.judge(part) for part in parts])

    def _ranked(self) -> list[bytes]:
        """The choices that are remembered, best first."""
        return sorted(self._seen, key=lambda key: (-self._seen[key], key))

    def _with(self, choice: Integers) -> Integers:
        """The choice and any one column more."""
        rows = np.hstack([np.tile(choice, (self.size, 1)), np.arange(self.size)[:, None]])
        rows.sort(axis=1)
        return rows

    def _sweep(self, choice: Integers) -> Integers:
        """Replaces columns by the best there are, several at a time, until that gains nothing."""
        value, idle = self._best(choice[None])[1], 0
        for half in itertools.islice(itertools.cycle((0, 1)), SWEEPS):
            columns = np.arange(
                min(half, self.size - 1), self.size, 2
            )  # each other time the other half of them
            places = np.flatnonzero(np.diff(choice, prepend=-1))
            rows = np.tile(choice, (len(places), len(columns), 1))
            rows[np.arange(len(places)), :, places] = columns
            values = self._values(rows.reshape(-1, self.gpus)).reshape(len(places), -1)
            column, gained = columns[values.argmax(axis=1)], values.max(axis=1)
            steps = [choice]
            for index in np.argsort(-gained, kind="stable"):
                steps.append(steps[-1].copy())
                steps[-1][places[index]] = column[index]
            found, gain = self._best(np.sort(np.array(steps[1:]), axis=1))
            if gain > value + _LEAST:
                choice, value, idle = found, gain, 0
            else:
                idle += 1
            if idle == 2 or self._left < 0:
                break
        return choice

    def _exchange(self, choice: Integers) -> Integers:
        """Moves two columns a little, one up and one down, while that gains."""
        value = self._best(choice[None])[1]
        while self.gpus > 1 and self._left > 0:
            near = [self._near(int(column), 1, 2) for column in choice]
            twos = self._twos(choice)
            rows = np.concatenate([self._pairs(choice, near, *two) for two in twos])
            if not len(rows):
                break
            found, gained = self._best(rows)
            if gained <= value + _LEAST:
                break
            choice, value = found, gained
        return choice

    def _twos(self, choice: Integers) -> Iterator[tuple[int, int]]:
        """Places of two columns, once for each two columns that differ."""
        seen = set()
        for one in range(len(choice)):
            for other in range(one + 1, len(choice)):
                two = (int(choice[one]), int(choice[other]))
                if two not in seen:
                    seen.add(two)
                    yield one, other

    def _pairs(self, choice: Integers, near: list[Integers], one: int, other: int) -> Integers:
        first, second = (grid.ravel() for grid in np.meshgrid(near[one], near[other]))
        opposite = (first < choice[one]) != (second < choice[other])
        rows = np.repeat(choice[None], int(opposite.sum()), axis=0)
        rows[:, one], rows[:, other] = first[opposite], second[opposite]
        rows.sort(axis=1)
        return rows

    def _spread(self) -> None:
        """Follows the best few choices at once, through single small replacements."""
        tried: set[bytes] = set()
        best, idle = max(self._seen.values()), 0
        beam = max(BEAM // self.gpus, MIN_BEAM)
        while idle < PATIENCE and self._left > 0:
            starts = [key for key in self._ranked() if key not in tried][: beam if idle else 1]
            tried.update(starts)
            rows = [
                row
                for key in starts
                for row in self._neighbours(np.frombuffer(key, dtype=np.int64))
            ]
            new = {row.tobytes(): row for rows_ in rows for row in rows_}
            if not new:
                return
            _, gained = self._best(np.array([*new.values()]))
            idle = 0 if gained > best + _LEAST else idle + 1
            best = max(best, gained)

    def _neighbours(self, choice: Integers) -> Iterator[Integers]:
        for place in np.flatnonzero(np.diff(choice, prepend=-1)):
            near = self._near(int(choice[place]), 2, 2)
            changed = np.tile(choice, (len(near), 1))
            changed[:, place] = near
            changed.sort(axis=1)
            yield changed

    def _near(self, column: int, variants: int, batches: int) -> Integers:
        """Other columns within so many steps in accuracy and in batch size."""
        key = (column, variants, batches)
        if key not in self._close:
            close = np.abs(self._ladder - self._ladder[column]) <= variants
            close &= np.abs(self.batch - self.batch[column]) <= batches
            close[column] = False
            self._close[key] = np.flatnonzero(close)
        return self._close[key]
