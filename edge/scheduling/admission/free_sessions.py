"""How many more sessions would be admitted, one after the other. Pure.

Each is assumed to be like the present ones on average. Sums of load give an upper bound
(`free_bounds`); where most of the devices' time would be taken, the scheduler is asked, too, as it
is for a real newcomer: `FreeSessionsSearch` bisects, with one question at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.scheduling.admission.admission_control import (
    ASK_SCHEDULER_FROM,
    ServerLoad,
    refusal_reason,
)

PROBE_PERIOD_MS = 1_000.0
"""Between two questions to the scheduler."""


@dataclass(frozen=True, slots=True)
class SessionCost:
    """What one session takes: share of the devices' plannable time, and of one core."""

    devices: float
    ingest: float


@dataclass(frozen=True, slots=True)
class FreeBounds:
    """`unasked` sessions are admitted without a question to the scheduler, and at most `most`.

    `limit` is why no more than `most`, in admission's words; None where only places run out.
    """

    unasked: int
    most: int
    limit: str | None


def free_bounds(
    load: ServerLoad, loops: Sequence[float], places: int, usual: SessionCost
) -> FreeBounds:
    """The bounds for a server with that load now, `places` left, and a loop of each receiving
    process (shares of a core). `usual` is the cost where no session has been measured."""
    planned, present = load.planned, load.planned + load.newcomers
    cost = SessionCost(load.devices / planned, sum(loops) / planned) if planned else usual
    devices = load.devices + load.newcomers * cost.devices
    cores = list(loops) or [load.ingest]
    for _ in range(load.newcomers):
        _add_to_least(cores, cost.ingest)
    unasked: int | None = None
    for more in range(places):
        now = ServerLoad(devices, min(cores), present + more, 0)
        if unasked is None and present + more and devices >= ASK_SCHEDULER_FROM:
            unasked = more
        if (reason := refusal_reason(now)) is not None:
            return FreeBounds(more if unasked is None else unasked, more, reason)
        devices += cost.devices
        _add_to_least(cores, cost.ingest)
    return FreeBounds(places if unasked is None else unasked, places, None)


def _add_to_least(cores: list[float], share: float) -> None:
    cores[cores.index(min(cores))] += share


class FreeSessionsSearch:
    """The largest number of further sessions for which the scheduler finds a plan.

    Between `low`, for which it does or is not asked, and `high`, for which it does not, it bisects;
    once these meet, it asks again for both in turn, for conditions change. The answer for 1 comes
    from admission itself, so that only larger numbers are probed.
    """

    def __init__(self) -> None:
        self._bounds = FreeBounds(0, 0, None)
        self._present = 0
        self._low, self._high = 0, 1
        self._value = 0
        self._asks_low = False

    @property
    def value(self) -> int:
        """As far as it is known by now: the last result, within what has been found out since."""
        return min(max(self._value, self._low), self._high - 1)

    @property
    def limit(self) -> str | None:
        """Why not one more."""
        bounds = self._bounds
        if self.value < bounds.most:
            return "the scheduler finds no room for one more"
        return bounds.limit

    def update(self, bounds: FreeBounds, present: int) -> None:
        """Take the bounds of now, with so many sessions present."""
        joined = present - self._present
        is_open = self._high > self._bounds.most  # the scheduler has not been the limit
        self._bounds, self._present = bounds, present
        self._value -= joined
        self._low = min(max(self._low - joined, bounds.unasked), bounds.most)
        high = bounds.most + 1 if is_open else min(self._high - joined, bounds.most + 1)
        self._high = max(high, self._low + 1)
        self._settle()

    def next_probe(self) -> int | None:
        """The number to ask the scheduler for; None if there is nothing to find out."""
        if self._high - self._low > 1:
            middle = (self._low + self._high) // 2
            return middle if middle > 1 else None
        self._asks_low = not self._asks_low
        for number in (self._low, self._high) if self._asks_low else (self._high, self._low):
            if max(1, self._bounds.unasked) < number <= self._bounds.most:
                return number
        return None

    def answer(self, number: int, fits: bool) -> None:
        """The scheduler's answer for so many more sessions."""
        if not self._bounds.unasked < number <= self._bounds.most:
            return  # the bounds have moved meanwhile
        if fits:
            self._low = max(self._low, number)
            if number >= self._high:
                self._high = self._bounds.most + 1
        else:
            self._high = min(self._high, number)
            if number <= self._low:
                self._low = self._bounds.unasked
        self._settle()

    def _settle(self) -> None:
        if self._high - self._low == 1:
            self._value = self._low
