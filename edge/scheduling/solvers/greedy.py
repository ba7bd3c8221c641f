"""The inner loops of the column search, compiled: evaluates choices and follows the better ones.

A choice is a sorted row of columns, one a GPU. It is judged by giving each client in turn to the
column that is worth most to it and has capacity left. A choice is identified by the sum of its
columns' random marks, so that none is judged twice; the best are kept, best first.

The shared arrays: `worth`, clients x columns, 0 where a client is not allowed; `weight` of
clients and `capacity` of columns, load in one unit; `marks` of columns, and `judged`, a table of
the marks of choices, which is never full; `kept`, choices x GPUs, with their `values` and whether
their neighbours were `followed`; `count`, how many are kept and how many more may be judged;
`scratch`, two rows of a choice's length.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.scheduling.capacity_rules import Integers
from edge.scheduling.solvers.compiled import compiled

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

KEPT, LEFT = 0, 1  # places in `count`
LEFT_ROW, TRIAL = 0, 1  # rows of `scratch`
LEAST = 1e-9  # a smaller gain is rounding

_PROBLEM = "float64[:, ::1], int64[::1], int64[::1]"
_MEMORY = "int64[::1], int64[::1], int64[:, ::1], float64[::1], boolean[::1], int64[::1]"
_ALL = f"{_PROBLEM}, {_MEMORY}, int64[:, ::1]"


@compiled(f"float64(int64[::1], int64[::1], {_PROBLEM})")
def judge(
    choice: Integers, left: Integers, worth: Floats, weight: Integers, capacity: Integers
) -> float:
    """The score of a choice of as many columns as `left` is long."""
    bins = len(left)
    for place in range(bins):
        left[place] = capacity[choice[place]]
    value = 0.0
    for client in range(len(weight)):
        heavy, best, at = weight[client], 0.0, -1
        for place in range(bins):
            offer = worth[client, choice[place]]
            if offer > best and left[place] >= heavy:
                best, at = offer, place
        if at >= 0:
            value += best
            left[at] -= heavy
    return value


@compiled("boolean(int64, int64[::1])")
def _is_new(mark: int, judged: Integers) -> bool:
    """Whether a mark was not in the table; from now on it is."""
    at = mark % len(judged)
    while judged[at] != 0:
        if judged[at] == mark:
            return False
        at = (at + 1) % len(judged)
    judged[at] = mark
    return True


@compiled("void(int64[::1], float64, int64[:, ::1], float64[::1], boolean[::1], int64[::1])")
def _keep(
    choice: Integers,
    value: float,
    kept: Integers,
    values: Floats,
    followed: Flags,
    count: Integers,
) -> None:
    """Puts a choice where its value belongs; when all places are full the worst gives way."""
    at = count[KEPT]
    if at == len(values):
        at -= 1
        if values[at] >= value:
            return
    else:
        count[KEPT] += 1
    while at > 0 and values[at - 1] < value:
        kept[at], values[at], followed[at] = kept[at - 1], values[at - 1], followed[at - 1]
        at -= 1
    kept[at], values[at], followed[at] = choice, value, False


@compiled(f"float64(int64[::1], int64, int64, int64, int64, {_ALL})")
def attempt(
    choice: Integers, place: int, column: int, other: int, another: int,
    worth: Floats, weight: Integers, capacity: Integers,
    marks: Integers, judged: Integers, kept: Integers, values: Floats, followed: Flags,
    count: Integers, scratch: Integers,
) -> float:  # fmt: skip
    """Judges and keeps the choice with `column` at `place` and `another` at `other`, which may be
    the same; its value, or -1 if it was judged before or none more may be. It is left in `scratch`.
    """
    if count[LEFT] <= 0:
        return -1.0
    trial = scratch[TRIAL]
    trial[:] = choice
    trial[place] = column
    trial[other] = another
    mark = 0
    for at in range(len(trial)):
        mark += marks[trial[at]]
    if not _is_new(mark, judged):
        return -1.0
    count[LEFT] -= 1
    trial.sort()
    value = judge(trial, scratch[LEFT_ROW], worth, weight, capacity)
    _keep(trial, value, kept, values, followed, count)
    return value


@compiled(f"void(int64[::1], {_PROBLEM}, int64[:, ::1])")
def build(
    choice: Integers, worth: Floats, weight: Integers, capacity: Integers, scratch: Integers
) -> None:
    """Fills the choice from nothing, each time with the column that adds most."""
    trial = scratch[TRIAL]
    for size in range(1, len(choice) + 1):
        best, found = -1.0, 0
        for column in range(len(capacity)):
            at = size - 1
            while at > 0 and choice[at - 1] > column:
                trial[at] = choice[at - 1]
                at -= 1
            trial[at] = column
            trial[:at] = choice[:at]
            value = judge(trial, scratch[LEFT_ROW, :size], worth, weight, capacity)
            if value > best:
                best, found = value, column
        choice[size - 1] = found
        choice[:size].sort()


@compiled(f"float64(int64[::1], float64, {_ALL})")
def sweep(
    choice: Integers, value: float,
    worth: Floats, weight: Integers, capacity: Integers,
    marks: Integers, judged: Integers, kept: Integers, values: Floats, followed: Flags,
    count: Integers, scratch: Integers,
) -> float:  # fmt: skip
    """Replaces one column at a time by the best there is, until that gains nothing."""
    best = choice.copy()
    idle, place = 0, 0
    while idle < len(choice) and count[LEFT] > 0:
        before = value
        for column in range(len(capacity)):
            found = attempt(
                choice, place, column, place, column,
                worth, weight, capacity, marks, judged, kept, values, followed, count, scratch,
            )  # fmt: skip
            if found > value + LEAST:
                value = found
                best[:] = scratch[TRIAL]
        idle = 0 if value > before else idle + 1
        choice[:] = best
        place = (place + 1) % len(choice)
    return value


@compiled(f"float64(int64[::1], float64, boolean[:, ::1], {_ALL})")
def exchange(
    choice: Integers, value: float, near: Flags,
    worth: Floats, weight: Integers, capacity: Integers,
    marks: Integers, judged: Integers, kept: Integers, values: Floats, followed: Flags,
    count: Integers, scratch: Integers,
) -> float:  # fmt: skip
    """Moves two columns a little, one up and one down, the best two each time, while that gains."""
    best, before = choice.copy(), -1.0
    while value > before and count[LEFT] > 0:
        before = value
        for place in range(len(choice)):
            if place > 0 and choice[place - 1] == choice[place]:
                continue
            for other in range(place + 1, len(choice)):
                one, two = choice[place], choice[other]
                if count[LEFT] <= 0 or (other > place + 1 and choice[other - 1] == two):
                    continue
                for column in range(len(capacity)):
                    if not near[one, column]:
                        continue
                    for another in range(len(capacity)):
                        if near[two, another] and (column < one) != (another < two):
                            found = attempt(
                                choice, place, column, other, another,
                                worth, weight, capacity,
                                marks, judged, kept, values, followed, count, scratch,
                            )  # fmt: skip
                            if found > value + LEAST:
                                value = found
                                best[:] = scratch[TRIAL]
        choice[:] = best
    return value


@compiled(f"void(boolean[:, ::1], int64, int64, {_ALL})")
def spread(
    near: Flags, beam: int, max_idle: int,
    worth: Floats, weight: Integers, capacity: Integers,
    marks: Integers, judged: Integers, kept: Integers, values: Floats, followed: Flags,
    count: Integers, scratch: Integers,
) -> None:  # fmt: skip
    """Follows the best of those kept through small replacements, several at once where the best
    alone no longer leads on, until nothing better came `max_idle` times."""
    starts = np.empty((beam, kept.shape[1]), dtype=np.int64)
    idle = 0
    while idle < max_idle and count[LEFT] > 0:
        best, started = values[0], 0
        for at in range(count[KEPT]):
            if started < (beam if idle else 1) and not followed[at]:
                followed[at] = True
                starts[started] = kept[at]
                started += 1
        if not started:
            return
        for start in range(started):
            choice = starts[start]
            for place in range(len(choice)):
                for column in range(len(capacity)):
                    if near[choice[place], column]:
                        attempt(
                            choice, place, column, place, column,
                            worth, weight, capacity,
                            marks, judged, kept, values, followed, count, scratch,
                        )  # fmt: skip
        idle = 0 if values[0] > best + LEAST else idle + 1
