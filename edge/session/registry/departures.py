"""Which publishers of a node that is drained are asked to go elsewhere, and when. Pure.

A few at a time, so that the other nodes get them as newcomers that come one after another, and
their planners see each. Those that don't go are not waited for: they are ended with the limit.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

AT_ONCE = 4  # that are asked, and still here ...
SHARE = 8  # ... or this part of those present, where that is more
SETTLE_MS = 3_000.0  # one that is still here so long after it was asked holds up no other
ASK_AGAIN_MS = 10_000.0  # the other nodes may have been full
ENDS = ("left", "ended")  # what becomes of a drained session


@dataclass(frozen=True, slots=True)
class Step:
    """The sessions to ask now; `over`: all that are still here are to be ended."""

    ask: Sequence[str] = ()
    over: bool = False


class Departures:
    """`begin` and `cancel`, and in between `step` several times a second; sessions by id."""

    def __init__(self, limit_ms: float) -> None:
        """`limit_ms`: from `begin` to the end of those that are still here."""
        self._limit_ms = limit_ms
        self._begun_ms: float | None = None
        self._asked_ms: dict[str, float] = {}
        self.ends = dict.fromkeys(ENDS, 0)
        """Of all drains: sessions that left once they were asked, and that were ended."""

    @property
    def under_way(self) -> bool:
        return self._begun_ms is not None

    def begin(self, now_ms: float) -> None:
        """Harmless when it has begun already."""
        if self._begun_ms is None:
            self._begun_ms = now_ms
            self._asked_ms.clear()

    def cancel(self) -> None:
        """Ask no more; those that were asked may still go."""
        self._begun_ms = None

    def step(self, present: Collection[str], now_ms: float) -> Step:
        """What to do for the sessions that are here."""
        if self._begun_ms is None:
            return Step()
        for gone in self._asked_ms.keys() - set(present):
            del self._asked_ms[gone]
            self.ends["left"] += 1
        if now_ms - self._begun_ms >= self._limit_ms:
            self._asked_ms.clear()  # those that are here will be ended
            self.ends["ended"] += len(present)
            return Step(over=True)
        going = sum(now_ms - asked_ms < SETTLE_MS for asked_ms in self._asked_ms.values())
        most = max(AT_ONCE, math.ceil(len(present) / SHARE)) - going
        never = [each for each in present if each not in self._asked_ms]
        again = [
            each for each, asked_ms in self._asked_ms.items() if now_ms - asked_ms >= ASK_AGAIN_MS
        ]
        ask = [*never, *again][: max(0, most)]
        for each in ask:
            self._asked_ms.pop(each, None)
            self._asked_ms[each] = now_ms  # the longest asked come first
        return Step(ask=ask)
