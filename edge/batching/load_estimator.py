"""What sessions are about to ask of the devices: arrival rates, and how they must be rationed."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from edge.batching.latency_options import LatencyOptions, LatencyOptionsCache, Option

GONE_MS = 1_000.0  # a session silent for this long asks nothing
REFRESH_MS = 50.0
LOWER_AT = 0.92  # load beyond which everybody gets something cheaper
LOWER_TO = 0.88  # load that this must bring
RAISE_AT = 0.85  # load up to which everybody gets something dearer again
BUSY = 0.7  # load, each frame by itself, from which waiting for a fuller batch can pay
UNFAIR = 0.15  # difference in service from which one session's frame goes in another's place
POOR = 0.5  # service below which a session's frames are even waited for


@dataclass(slots=True)
class ArrivalRates:
    """What is known of one session's frames."""

    menu: LatencyOptions
    last_ms: float
    interval_ms: float = math.inf
    seen: int = 0
    budget_ms: float = 0.0
    """From ready to the latest end, as of its latest frame."""
    share: float = 1.0
    """Of its latest frames, the part that was dispatched."""


class LoadEstimator:
    """Arrival rates of all sessions, and the cost a frame that the devices can afford.

    The ration is one number for everybody, device time a frame: each session gets the best variant
    that costs no more. So load beyond the devices' capacity lowers everybody's variant, the dearest
    first, before it costs anybody a frame.
    """

    def __init__(self, menus: LatencyOptionsCache) -> None:
        self._menus = menus
        self.sessions: dict[str, ArrivalRates] = {}
        self.cap_ms = math.inf
        """Device time that a frame may cost."""
        self.busy = False
        """Whether the devices would be hard put to serve every frame by itself."""
        self._budget_ms = math.inf
        self._rates: dict[Option, float] = {}
        self._poor: list[ArrivalRates] = []
        self._refreshed_ms = -math.inf

    def note(self, session: str, menu: LatencyOptions, ready_ms: float, budget_ms: float) -> None:
        """A frame came, `budget_ms` before its deadline."""
        arrivals = self.sessions.get(session)
        if arrivals is None:
            arrivals = self.sessions[session] = ArrivalRates(menu, ready_ms)
        else:
            interval = ready_ms - arrivals.last_ms
            arrivals.menu = menu
            arrivals.last_ms = max(arrivals.last_ms, ready_ms)
            if 0.0 <= interval < GONE_MS:
                arrivals.seen += 1
                if arrivals.seen == 1:
                    arrivals.interval_ms = max(1.0, interval)
                else:
                    change = interval - arrivals.interval_ms
                    arrivals.interval_ms += change * max(0.1, 1.0 / arrivals.seen)
                    arrivals.interval_ms = max(1.0, arrivals.interval_ms)
        arrivals.budget_ms = budget_ms
        if budget_ms > 0.0:
            if math.isinf(self._budget_ms):
                self._budget_ms = budget_ms
            self._budget_ms += 0.02 * (budget_ms - self._budget_ms)

    def forget(self, session: str) -> None:
        self.sessions.pop(session, None)

    def score(self, session: str, served: bool) -> None:
        """A frame was dispatched, or lost to a queue."""
        arrivals = self.sessions.get(session)
        if arrivals is not None:
            arrivals.share += 0.1 * (float(served) - arrivals.share)

    def share(self, session: str) -> float:
        arrivals = self.sessions.get(session)
        return 1.0 if arrivals is None else arrivals.share

    def next_ms(self, session: str) -> float:
        """When the session's next frame is expected, which will push a waiting one out."""
        arrivals = self.sessions.get(session)
        if arrivals is None or arrivals.seen < 3:
            return math.inf
        return arrivals.last_ms + arrivals.interval_ms

    def reserved_ms(self, share: float, now_ms: float, end_ms: float) -> float | None:
        """When a frame is expected whose only chance would be gone if a device were busy until
        `end_ms`, and whose session was clearly worse served than `share`; None if there is none."""
        for poor in self._poor:
            due_ms = poor.last_ms + poor.interval_ms
            hopeless_ms = due_ms + poor.budget_ms - poor.menu.fastest_ms
            if poor.share + UNFAIR < share and max(now_ms, due_ms) <= hopeless_ms < end_ms:
                return min(hopeless_ms, due_ms + 0.25 * poor.interval_ms)
        return None

    def rate(self, option: Option) -> float:
        """Frames a millisecond that are expected to be served with this option."""
        return self._rates.get(option, 0.0)

    def refresh(self, now_ms: float, *, force: bool = False) -> None:
        """Works the ration out anew, if the last time was long enough ago."""
        if now_ms - self._refreshed_ms < REFRESH_MS and not force:
            return
        self._refreshed_ms = now_ms
        limit_ms = self._budget_ms / 2.0
        known_ms = self._menus.batch_limit_ms
        if math.isfinite(limit_ms) and not 0.8 * known_ms < limit_ms < 1.25 * known_ms:
            self._menus.batch_limit_ms = limit_ms
            self._menus.touch()
        self._poor = [a for a in self.sessions.values() if a.share < POOR and a.seen >= 3]
        rates: dict[LatencyOptions, float] = {}
        for session in [s for s, a in self.sessions.items() if a.last_ms < now_ms - 60_000.0]:
            del self.sessions[session]
        for arrivals in self.sessions.values():
            if arrivals.last_ms > now_ms - GONE_MS and math.isfinite(arrivals.interval_ms):
                # A rate falls once the next frame is overdue.
                interval = max(arrivals.interval_ms, now_ms - arrivals.last_ms)
                rates[arrivals.menu] = rates.get(arrivals.menu, 0.0) + 1.0 / interval
        for menu in rates:
            self._menus.sync(menu)
        self.cap_ms = self._ration(rates)
        self._rates = {}
        alone = 0.0
        for menu, rate in rates.items():
            option = menu.pick(self.cap_ms)
            self._rates[option] = self._rates.get(option, 0.0) + rate
            alone += rate * option.alone_ms
        self.busy = alone > BUSY

    def _ration(self, rates: dict[LatencyOptions, float]) -> float:
        def load(cap_ms: float) -> float:
            return sum(rate * menu.pick(cap_ms).cost_ms for menu, rate in rates.items())

        if load(math.inf) <= (LOWER_AT if math.isinf(self.cap_ms) else RAISE_AT):
            return math.inf
        costs = sorted({o.cost_ms for menu in rates for o in menu.options})
        # Hysteresis: what is given now may stay up to LOWER_AT, anything dearer only to RAISE_AT.
        now = _largest(costs, lambda c: c <= self.cap_ms)
        if load(now) > LOWER_AT:
            return _largest(costs, lambda c: load(c) <= LOWER_TO)
        return max(now, _largest(costs, lambda c: load(c) <= RAISE_AT))


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
