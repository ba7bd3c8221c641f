"""The load that sessions are about to put on the devices, and the cost limit that it leaves."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from edge.batching.device_latencies import DeviceLatencies
from edge.batching.latency_options import LatencyOption, LatencyOptions

IDLE_MS = 1_000.0  # a session without a frame for this long adds no load
FORGET_MS = 60_000.0  # ... and after this long it is forgotten
REFRESH_MS = 50.0
LOWER_ABOVE = 0.92  # load above which the cost limit falls
LOWER_TO = 0.88  # load that the lower limit must bring
RAISE_TO = 0.85  # load up to which the cost limit rises again
BUSY_ABOVE = (
    0.7  # load, each frame in a batch of its own, from which waiting to fill a batch can pay
)
UNFAIR = 0.15  # difference in service from which one session's frame goes in another's place
UNDERSERVED = 0.5  # service below which a lone device may be kept free for a session's next frame
MIN_INTERVALS = 3  # intervals seen before a session's next frame is predicted


@dataclass(slots=True)
class SessionArrivals:
    """One session's recent frames."""

    options: LatencyOptions
    last_ms: float
    interval_ms: float = math.inf
    """Moving average of the time between two frames."""
    intervals: int = 0
    budget_ms: float = 0.0
    """Of the latest frame: time from ready to the latest end."""
    service: float = 1.0
    """Moving average: the share of its frames that were dispatched."""

    @property
    def next_ms(self) -> float:
        """The time at which the next frame is expected; infinite if unknown."""
        if self.intervals < MIN_INTERVALS:
            return math.inf
        return self.last_ms + self.interval_ms

    def observe(self, options: LatencyOptions, ready_ms: float) -> None:
        """Takes a frame into account that came after the first."""
        interval_ms = ready_ms - self.last_ms
        self.options = options
        self.last_ms = max(self.last_ms, ready_ms)
        if not 0.0 <= interval_ms < IDLE_MS:
            return
        self.intervals += 1
        if self.intervals == 1:
            self.interval_ms = max(1.0, interval_ms)
        else:
            change_ms = interval_ms - self.interval_ms
            self.interval_ms += change_ms * max(0.1, 1.0 / self.intervals)
            self.interval_ms = max(1.0, self.interval_ms)


class LoadEstimator:
    """Arrival rates of all sessions, and the cost a frame that the devices can afford.

    The cost limit is one number for all sessions, in device time a frame: each gets the best
    variant that costs no more. So load beyond the devices' capacity lowers everybody's variant, the
    most expensive first, before it costs anybody a frame.
    """

    def __init__(self, latencies: DeviceLatencies) -> None:
        self._latencies = latencies
        self.sessions: dict[str, SessionArrivals] = {}
        self.cost_limit_ms = math.inf
        """Device time that a frame may cost."""
        self.is_busy = False
        """Whether serving every frame in a batch of its own would nearly fill the devices."""
        self._budget_ms = math.inf
        """Moving average of all frames' budgets."""
        self._rates: dict[LatencyOption, float] = {}
        self._underserved: list[SessionArrivals] = []
        self._refreshed_ms = -math.inf

    def observe(
        self, session: str, options: LatencyOptions, ready_ms: float, budget_ms: float
    ) -> None:
        """A frame came, `budget_ms` before its latest end."""
        arrivals = self.sessions.get(session)
        if arrivals is None:
            arrivals = self.sessions[session] = SessionArrivals(options, ready_ms)
        else:
            arrivals.observe(options, ready_ms)
        arrivals.budget_ms = budget_ms
        if budget_ms > 0.0:
            if math.isinf(self._budget_ms):
                self._budget_ms = budget_ms
            self._budget_ms += 0.02 * (budget_ms - self._budget_ms)

    def forget(self, session: str) -> None:
        """The session is gone."""
        self.sessions.pop(session, None)

    def record(self, session: str, dispatched: bool) -> None:
        """A frame of the session was dispatched, or lost while it queued."""
        arrivals = self.sessions.get(session)
        if arrivals is not None:
            arrivals.service += 0.1 * (float(dispatched) - arrivals.service)

    def service(self, session: str) -> float:
        """The share of the session's recent frames that were dispatched."""
        arrivals = self.sessions.get(session)
        return 1.0 if arrivals is None else arrivals.service

    def next_ms(self, session: str) -> float:
        """The expected time of the session's next frame, which supersedes one that waits."""
        arrivals = self.sessions.get(session)
        return math.inf if arrivals is None else arrivals.next_ms

    def reserve_until_ms(self, service: float, now_ms: float, end_ms: float) -> float | None:
        """Until when a device should stay free for a session that was clearly worse served.

        None unless such a session's next frame would expire if the device were busy until
        `end_ms`. `service` is that of the frames that would be served instead.
        """
        for arrivals in self._underserved:
            due_ms = arrivals.next_ms
            latest_start_ms = due_ms + arrivals.budget_ms - arrivals.options.fastest_ms
            if (
                arrivals.service + UNFAIR < service
                and max(now_ms, due_ms) <= latest_start_ms < end_ms
            ):
                return min(latest_start_ms, due_ms + 0.25 * arrivals.interval_ms)
        return None

    def rate(self, option: LatencyOption) -> float:
        """Frames a millisecond that are expected to be served with this option."""
        return self._rates.get(option, 0.0)

    def refresh(self, now_ms: float) -> None:
        """Computes the cost limit again, if the last time was long enough ago."""
        if now_ms - self._refreshed_ms < REFRESH_MS:
            return
        self._refreshed_ms = now_ms
        self._limit_batches()
        self._underserved = [
            each
            for each in self.sessions.values()
            if each.service < UNDERSERVED and each.intervals >= MIN_INTERVALS
        ]
        rates = self._arrival_rates(now_ms)
        for options in rates:
            self._latencies.refresh(options)
        self.cost_limit_ms = self._affordable_ms(rates)
        self._rates = {}
        load_alone = 0.0
        for options, rate in rates.items():
            option = options.best_within(self.cost_limit_ms)
            self._rates[option] = self._rates.get(option, 0.0) + rate
            load_alone += rate * option.alone_ms
        self.is_busy = load_alone > BUSY_ABOVE

    def _limit_batches(self) -> None:
        """Twice the longest batch must fit the usual budget."""
        limit_ms, previous_ms = self._budget_ms / 2.0, self._latencies.batch_limit_ms
        if math.isfinite(limit_ms) and not 0.8 * previous_ms < limit_ms < 1.25 * previous_ms:
            self._latencies.batch_limit_ms = limit_ms

    def _arrival_rates(self, now_ms: float) -> dict[LatencyOptions, float]:
        """Frames a millisecond, by the options that they may be served with."""
        silent = [s for s, a in self.sessions.items() if a.last_ms < now_ms - FORGET_MS]
        for session in silent:
            del self.sessions[session]
        rates: dict[LatencyOptions, float] = {}
        for arrivals in self.sessions.values():
            if arrivals.last_ms > now_ms - IDLE_MS and math.isfinite(arrivals.interval_ms):
                # A rate falls once the next frame is overdue.
                interval_ms = max(arrivals.interval_ms, now_ms - arrivals.last_ms)
                rates[arrivals.options] = rates.get(arrivals.options, 0.0) + 1.0 / interval_ms
        return rates

    def _affordable_ms(self, rates: dict[LatencyOptions, float]) -> float:
        """The cost limit for these arrival rates, with hysteresis."""

        def load(limit_ms: float) -> float:
            return sum(
                rate * options.best_within(limit_ms).cost_ms for options, rate in rates.items()
            )

        unlimited = math.isinf(self.cost_limit_ms)
        if load(math.inf) <= (LOWER_ABOVE if unlimited else RAISE_TO):
            return math.inf
        costs = sorted({o.cost_ms for options in rates for o in options.options})
        # The current limit may stay up to LOWER_ABOVE; a higher one must bring RAISE_TO or less.
        current_ms = _largest(costs, lambda cost_ms: cost_ms <= self.cost_limit_ms)
        if load(current_ms) > LOWER_ABOVE:
            return _largest(costs, lambda cost_ms: load(cost_ms) <= LOWER_TO)
        return max(current_ms, _largest(costs, lambda cost_ms: load(cost_ms) <= RAISE_TO))


def _largest(costs: list[float], holds: Callable[[float], bool]) -> float:
    """The largest cost for which a falling predicate holds, or the least cost."""
    low, high = 0, len(costs)
    while low < high:
        middle = (low + high) // 2
        if holds(costs[middle]):
            low = middle + 1
        else:
            high = middle
    return costs[max(0, low - 1)] if costs else math.inf
