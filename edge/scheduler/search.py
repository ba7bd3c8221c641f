"""Which columns, a variant at a batch size each, the GPUs should run: many choices at a time.

GPUs are alike, so a choice is a sorted row of column numbers. A choice is judged by packing all
clients greedily into it, those with the fewest ways out first; numpy does that for thousands of
choices side by side. The search builds a choice GPU by GPU, replaces its columns one by one, then
two at a time in opposite directions, then follows the best few neighbours at once.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edge.scheduler.rules import Integers
from edge.scheduler.tables import Tables

Floats = NDArray[np.float64]

SWEEPS = 3
BEAM, PATIENCE, KEPT = 8, 2, 32
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
        self.unit = max(int(np.gcd.reduce(tables.rate)), 1)
        self.weight: Integers = tables.rate // self.unit
        self.room: Integers = columns.capacity[rank] // self.unit
        allowed = tables.budget[:, self.variant] >= columns.need[rank]
        self.worth: Floats = np.where(allowed, tables.worth[:, self.variant], 0.0)
        self.order: Integers = np.lexsort((-tables.rate, allowed.sum(axis=1)))
        self._left = effort
        self._seen: dict[bytes, float] = {}

    def run(self) -> list[Integers]:
        """The best choices found, best first."""
        choice = np.zeros(0, dtype=np.int64)
        for _ in range(self.gpus):
            choice = self._best(self._with(choice, None))[0]
        choice = self._sweep(choice)
        choice = self._exchange(choice)
        self._spread(choice)
        best = sorted(self._seen.items(), key=lambda item: (-item[1], item[0]))[:KEPT]
        return [np.frombuffer(key, dtype=np.int64) for key, _ in best]

    def judge(self, choices: Integers) -> Floats:
        """The value of each choice (a row) when clients are packed greedily."""
        count, bins = choices.shape
        value = np.zeros(count)
        self._left -= choices.size * len(self.order)
        left = self.room[choices].astype(np.float32)
        flat, start = left.ravel(), np.arange(count) * bins
        worth = self.worth.astype(np.float32)
        for client in self.order:
            weight = np.float32(self.weight[client])
            offer = worth[client].take(choices)
            offer *= left >= weight
            best = offer.argmax(axis=1)
            best += start
            gain = offer.ravel().take(best)
            value += gain
            flat[best] -= weight * (gain > 0)
        return value

    def _best(self, choices: Integers) -> tuple[Integers, float]:
        """The best of the choices; all of them are remembered if they are whole."""
        step = max(CHUNK // max(choices.shape[1], 1), 1)
        parts = [choices[at : at + step] for at in range(0, len(choices), step)]
        values = np.concatenate([self.judge(part) for part in parts])
        if choices.shape[1] == self.gpus:
            for index in np.argsort(-values, kind="stable")[:KEPT]:
                self._seen[choices[index].tobytes()] = float(values[index])
        best = int(values.argmax())
        return choices[best], float(values[best])

    def _with(self, choice: Integers, place: int | None) -> Integers:
        """The choice with any column at a place, or in addition."""
        rest = choice if place is None else np.delete(choice, place)
        every = np.arange(self.size)[:, None]
        rows = np.hstack([np.repeat(rest[None], self.size, axis=0), every])
        rows.sort(axis=1)
        return rows

    def _sweep(self, choice: Integers) -> Integers:
        """Replaces columns one by one, each by the best there is, until that gains nothing."""
        value = self._best(choice[None])[1]
        for _ in range(SWEEPS):
            before = value
            for place in range(self.gpus):
                found, gained = self._best(self._with(choice, place))
                if gained > value + _LEAST:
                    choice, value = found, gained
                if self._left < 0:
                    return choice
            if value <= before + _LEAST:
                break
        return choice

    def _exchange(self, choice: Integers) -> Integers:
        """Moves two columns a little, one up and one down, while that gains."""
        value = self._best(choice[None])[1]
        while self.gpus > 1 and self._left > 0:
            near = [self._near(column, 1, 2) for column in choice]
            rows = [self._pairs(choice, near, one, other) for one, other in self._twos(choice)]
            found, gained = self._best(np.concatenate(rows)) if rows else (choice, value)
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

    def _spread(self, choice: Integers) -> None:
        """Follows the best few choices at once, through single small replacements."""
        tried: set[bytes] = set()
        best, idle = max(self._seen.values(), default=0.0), 0
        while idle < PATIENCE and self._left > 0:
            width = BEAM if idle else 1
            ranked = sorted(self._seen.items(), key=lambda item: (-item[1], item[0]))
            starts = [key for key, _ in ranked if key not in tried][:width]
            tried.update(starts)
            rows = [self._neighbours(np.frombuffer(key, dtype=np.int64)) for key in starts]
            if not rows:
                return
            found = np.unique(np.concatenate(rows), axis=0)
            _, gained = self._best(found)
            idle = 0 if gained > best + _LEAST else idle + 1
            best = max(best, gained)

    def _neighbours(self, choice: Integers) -> Integers:
        rows = []
        for place, column in enumerate(choice):
            if place and column == choice[place - 1]:
                continue
            near = self._near(column, 2, 2)
            changed = np.repeat(choice[None], len(near), axis=0)
            changed[:, place] = near
            rows.append(changed)
        found = np.concatenate(rows)
        found.sort(axis=1)
        return found

    def _near(self, column: int, variants: int, batches: int) -> Integers:
        """Other columns within so many steps in accuracy and in batch size."""
        ladder = np.cumsum(np.diff(self.variant, prepend=self.variant[:1]) != 0)
        close = np.abs(ladder - ladder[column]) <= variants
        close &= np.abs(self.batch - self.batch[column]) <= batches
        close[column] = False
        return np.flatnonzero(close)
