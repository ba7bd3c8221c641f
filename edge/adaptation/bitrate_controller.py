"""The encoder's bitrate cap: as many bits as cross the link in time.

A frame must cross within the time that the latency objective leaves it, so it may have capacity x
that time, and a second `fps` times as much; never over three quarters of the capacity. The cap
falls at once and rises in steps to the *minimum* that the last second would have allowed. Between
the two lie margins (down from 10 % too many, up from 15 % too few), and a step up that soon had to
be reversed makes the next one wait longer, up to 8 s: a noisy estimate of a steady link settles
near its lower edge instead of oscillating.

`State` names the regimes. A link that usually carries half as much again as will ever be asked of
it needs no steps: it gets the whole bitrate back once it has carried that for 450 ms. When such a
link stops, which with WiFi is mostly a stall, it keeps a third of its bits for 300 ms, as far as
the capacity allows: frames of hardly any bits would arrive in time and show nothing. Pure: times in
ms are arguments.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from math import inf

from edge.adaptation.backoff import ExponentialBackoff
from edge.adaptation.measurements import LinkMeasurements
from edge.adaptation.queue_response import ALLOWED_LOSS, MAX_SHARE, QueueResponse
from edge.base.sliding_windows import QuantileWindow
from edge.scheduling.assignment import mbit

# The cap never falls below this.
MIN_BPS = 100_000
# The cap falls once the wanted bitrate is below this part of it.
DOWN = 0.9
# The cap rises once the wanted bitrate is above this multiple of it.
UP = 1.15
# The same multiple after `CALM_MS` without a change.
UP_CALM = 1.05
# The same multiple where the rise reaches the highest useful bitrate.
UP_TO_MAX = 1.02
# A cap that has stood for this long is calm.
CALM_MS = 4_000.0
# A step up multiplies the cap by at most this.
UP_FACTOR = 1.5
# Two steps up are at least this far apart.
UP_INTERVAL_MS = 200.0
# A step up goes to the minimum that the link allowed in a window, which is this long at first.
UP_WINDOW_MS = 1_000.0
# Each step up that had to be reversed doubles the window, up to this length.
MAX_UP_WINDOW_MS = 8_000.0
# A dip shorter than this was caused by another frame on the link, and not by the link itself.
MOMENT_MS = 150.0
# A frame that waits longer than this part of a usual frame's crossing time is queued.
QUEUE_PART = 0.6
# A wait shorter than this is never a queue.
MIN_QUEUE_MS = 10.0
# Where frames take too long without a queue, this part of the bitrate remains.
SLOW_PART = 0.7
# An encoder whose frames exceed its cap by this factor cannot make them any smaller.
STARVED = 1.25
# A link that carries this multiple of the highest bitrate has room to spare.
PLENTY = 1.5
# After a queue, this part of the bitrate that made it returns.
RESUME_PART = 0.85
# The return uses the minimum that the link allowed in this time.
RESUME_WINDOW_MS = 120.0
# A return that has not succeeded this long after the last queue is abandoned for ordinary steps.
RESUME_MS = 3_000.0
# In a stall of a fast link, this part of the highest bitrate is kept.
STALL_PART = 0.35
# A stall that lasts longer than this is treated as a slow link.
STALL_MS = 300.0
# After a fall, a link that had room to spare for this long gets the highest bitrate at once.
RETURN_MS = 450.0
# The usual bitrate is taken over this time.
USUAL_MS = 4_000.0
# A queue or outage shorter than this does not count towards the usual bitrate.
OUTAGE_MS = 2_000.0
# The usual bitrate is this quantile of the observed ones.
USUAL_QUANTILE = 0.25
# At most this many observations make up the usual bitrate.
MAX_OBSERVATIONS = 1_000


class State(Enum):
    """The regimes of a cap; `BitrateController._step` has the steps that each allows."""

    STARTING = "starting"
    """No cap was decided yet."""
    STEADY = "steady"
    """No queue: the cap follows the link, down at once, up by steps."""
    DRAINING = "draining"
    """A queue: less than the link carries, until it is gone."""
    RECOVERING = "recovering"
    """The queue is gone: back to a part of the bitrate that made it."""
    COMPETING = "competing"
    """The queue does not drain, so it is another flow's: a share of the link."""


@dataclass(frozen=True, slots=True)
class BitrateCap:
    """The encoder's highest bitrate, and the reason for its change."""

    bps: float
    reason: str


@dataclass(frozen=True, slots=True)
class _Target:
    """Input and target of one decision, in bits a second."""

    now_ms: float
    allowed_bps: float  # by the link
    useful_bps: float  # by the size sent
    max_bps: float  # the most that will be asked: useful, and within the operator's limit
    wanted_bps: float


class BitrateController:
    """One session's cap: `observe` with measurements, then `decide`. Times never go back."""

    def __init__(self, start_bps: float, max_bps: float) -> None:
        self.state = State.STARTING
        self._max_bps = max(max_bps, float(MIN_BPS))
        self._start_bps = min(start_bps, self._max_bps)
        self._bps: float | None = None  # in force
        self._changed_ms = self._fell_ms = -inf
        self._changed_capacity_bps: float | None = None  # when the cap last changed
        self._backoff = ExponentialBackoff(UP_WINDOW_MS, MAX_UP_WINDOW_MS)
        self._resume_bps: float | None = None  # that made the queue, until it is resumed
        # The last observation
        self._link = LinkMeasurements()
        self._frames_bps: float | None = None  # of usual frames under the cap in force
        self._limit = ""  # why the link allows less than its capacity does
        self._drain_bps = inf
        # The observations before it
        self._queue = QueueResponse()
        self._allowed: deque[tuple[float, float]] = deque()  # (ms, bps), the backoff's wait long
        self._usual = QuantileWindow(MAX_OBSERVATIONS, USUAL_MS)
        self._usual_ms = -inf  # when that was last added to
        self._sufficient_ms = -inf  # when the link last carried what a stall leaves

    @property
    def bps(self) -> float | None:
        """The cap in force, None before the first decision."""
        return self._bps

    @property
    def min_allowed_bps(self) -> float:
        """The minimum that the link allowed recently."""
        return min(self._max_bps, *self._allowed_since(-inf))

    @property
    def usual_bps(self) -> float:
        """The lower quartile of the bitrate that the link carried in time, outages apart."""
        usual_bps = self._usual.quantile(USUAL_QUANTILE)
        if usual_bps is None:
            return self._start_bps
        return max(float(MIN_BPS), min(self._max_bps, usual_bps))

    # -- observing ------------------------------------------------------------------------------

    def observe(
        self,
        link: LinkMeasurements,
        crossing_ms: float,
        fps: float,
        now_ms: float,
        network_limit_ms: float = inf,
    ) -> float:
        """Bits a second that the link carries in time, once no queue is left on it.

        A usual frame has `crossing_ms` to cross the link, and `network_limit_ms` in all.
        """
        self._link, self._limit, self._drain_bps = link, "", inf
        self._frames_bps = None if link.frame_bits is None else fps * link.frame_bits
        allowed_bps = self._allowed_bps(link, crossing_ms, fps, now_ms, network_limit_ms)
        allowed_bps = max(allowed_bps, float(MIN_BPS))
        while self._allowed and self._allowed[-1][0] > now_ms - MOMENT_MS:
            if self._allowed[-1][1] > allowed_bps:
                break
            self._allowed.pop()
        self._allowed.append((now_ms, allowed_bps))
        while self._allowed[0][0] < now_ms - self._backoff.wait_ms:
            self._allowed.popleft()
        return min(allowed_bps, self._max_bps)

    def _allowed_bps(
        self,
        link: LinkMeasurements,
        crossing_ms: float,
        fps: float,
        now_ms: float,
        network_limit_ms: float,
    ) -> float:
        capacity_bps = link.available_bps if link.capacity_bps is None else link.capacity_bps
        if capacity_bps is None:
            return self._start_bps
        bps = capacity_bps * min(MAX_SHARE, fps * crossing_ms / 1000.0)
        queue, queue_ms = self._queue, link.queue_ms
        has_queue = queue_ms > max(MIN_QUEUE_MS, QUEUE_PART * crossing_ms)
        # A queue or a short outage says nothing about what the link usually carries.
        if not has_queue or len(self._usual) == 0 or now_ms - self._usual_ms >= OUTAGE_MS:
            self._usual.add(bps, now_ms)
            self._usual_ms = now_ms
        if has_queue:
            queue.found(now_ms)
            self._limit = f"frames queue for {queue_ms:.0f} ms on the way"
            if queue.is_competing(now_ms):
                return min(bps, queue.adapt_share(queue_ms, link.loss, now_ms) * capacity_bps)
            drain_bps = queue.drain_bps(queue_ms, capacity_bps, crossing_ms, self._bps, now_ms)
            self._drain_bps = max(float(MIN_BPS), drain_bps)
        else:
            queue.absent(now_ms)
            if queue.is_competing(now_ms):  # the other flow's queue will be back
                bps = min(bps, max(queue.share * capacity_bps, self._bps or 0.0))
            if link.network_ms is not None and link.network_ms > network_limit_ms:
                bps *= SLOW_PART
                self._limit = f"frames take {link.network_ms:.0f} ms to cross the network"
        if link.loss > ALLOWED_LOSS and not queue.is_competing(now_ms):
            bps *= max(0.5, 1.0 - 2.0 * link.loss)
            self._limit = f"{100 * link.loss:.0f} % of the packets are lost"
        return bps

    def _allowed_since(self, since_ms: float) -> Iterable[float]:
        if not self._allowed:
            return (self._start_bps,)
        return (bps for at_ms, bps in self._allowed if at_ms >= since_ms)

    # -- deciding -------------------------------------------------------------------------------

    def decide(self, useful_bps: float, now_ms: float) -> BitrateCap | None:
        """The new cap, or None if the one in force stands; over `useful_bps` buys nothing."""
        self.state = self._next_state(now_ms)
        target = self._target(max(useful_bps, float(MIN_BPS)), now_ms)
        cap = self._start(target) if self._bps is None else self._step(self._bps, target)
        if cap is not None:
            self._bps, self._changed_ms = cap.bps, now_ms
            self._changed_capacity_bps = self._link.capacity_bps
        return cap

    def _next_state(self, now_ms: float) -> State:
        if self._bps is None:
            return State.STARTING
        if self._queue.is_competing(now_ms):
            return State.COMPETING
        if self._drain_bps < inf:
            return State.DRAINING
        return State.STEADY if self._resume_bps is None else State.RECOVERING

    def _target(self, useful_bps: float, now_ms: float) -> _Target:
        allowed_bps = self._allowed[-1][1] if self._allowed else self._start_bps
        allowed_bps = min(allowed_bps, self._max_bps)
        max_bps = min(useful_bps, self._max_bps)
        wanted_bps = min(allowed_bps, useful_bps, self._drain_bps)
        if wanted_bps >= STALL_PART * max_bps:
            self._sufficient_ms = now_ms
        elif self._is_stalled(max_bps, now_ms):
            carried_bps = MAX_SHARE * (self._link.capacity_bps or 0.0)
            wanted_bps = max(wanted_bps, min(STALL_PART * max_bps, carried_bps))
        return _Target(now_ms, allowed_bps, useful_bps, max_bps, wanted_bps)

    def _is_stalled(self, max_bps: float, now_ms: float) -> bool:
        """Whether a link that usually carries far more than is ever asked of it has just stopped.

        Once it goes on, a queue is soon gone, so frames may stay large enough to be of use.
        """
        usual_bps = self._usual.quantile(USUAL_QUANTILE) or 0.0
        return usual_bps > PLENTY * max_bps and now_ms - self._sufficient_ms < STALL_MS

    def _start(self, target: _Target) -> BitrateCap:
        capacity_bps = self._link.capacity_bps
        reason = "starting: the link is not measured yet"
        if capacity_bps == inf:
            reason = "starting: the publisher controls its rate"
        elif capacity_bps is not None:
            reason = f"starting on a link of {mbit(capacity_bps)}"
        return BitrateCap(target.wanted_bps, reason)

    def _step(self, bps: float, target: _Target) -> BitrateCap | None:
        """The first step that the state allows and the target asks for."""
        if target.wanted_bps < DOWN * bps:
            return self._decrease(bps, target)
        match self.state:
            case State.DRAINING:
                return self._probe(bps, target)
            case State.STEADY:
                return self._grant(bps, target) or self._probe(bps, target)
            case _:
                return (
                    self._resume(bps, target)
                    or self._grant(bps, target)
                    or self._probe(bps, target)
                )

    def _decrease(self, bps: float, target: _Target) -> BitrateCap:
        """The link carries less, or fewer bits are of use: at once."""
        self._fell_ms = target.now_ms
        if target.wanted_bps > 0.6 * bps:  # more would be a change of the link, and no noise
            self._backoff.decreased(target.now_ms)
        if self.state is State.DRAINING and self._resume_bps is None:
            self._resume_bps = bps
        capacity_bps, before_bps = self._link.capacity_bps, self._changed_capacity_bps
        reason = "fewer bits are enough"
        if capacity_bps is not None and (before_bps is None or capacity_bps < before_bps):
            reason = f"link fell to {mbit(capacity_bps)}"
        elif target.useful_bps >= target.allowed_bps:
            reason = f"the link carries {mbit(target.allowed_bps)} in time"
        return BitrateCap(target.wanted_bps, self._limit or reason)

    def _resume(self, bps: float, target: _Target) -> BitrateCap | None:
        """The queue has drained: back in one step to a part of the bitrate that made it."""
        if self._resume_bps is None:
            return None
        recent_bps = min(self._allowed_since(target.now_ms - RESUME_WINDOW_MS))
        # Where there is plenty of room now, the link had failed, and the bitrate was right.
        part = 1.0 if recent_bps > PLENTY * self._resume_bps else RESUME_PART
        resume_bps = part * self._resume_bps
        resumed_bps = min(resume_bps, target.max_bps, recent_bps)
        if resumed_bps >= resume_bps or target.now_ms - self._queue.last_ms > RESUME_MS:
            self._resume_bps = None
        if resumed_bps <= UP * bps:
            return None
        return BitrateCap(resumed_bps, "the queue has drained")

    def _grant(self, bps: float, target: _Target) -> BitrateCap | None:
        """More at once, where no step has to test whether the link carries it."""
        no_queue_ms = target.now_ms - self._queue.last_ms
        if self._frames_bps is not None and no_queue_ms > RESUME_WINDOW_MS:
            # Over its cap, an encoder leaves out frames.
            frames_bps = min(target.wanted_bps, self._frames_bps)
            if frames_bps > STARVED * bps:
                return BitrateCap(frames_bps, "the encoder can't make frames any smaller")
        if bps < target.max_bps / UP_TO_MAX and self._has_plenty(target.max_bps, target.now_ms):
            return BitrateCap(target.max_bps, "the link has plenty of room")
        return None

    def _has_plenty(self, max_bps: float, now_ms: float) -> bool:
        """Whether the link carries far more than will ever be asked, and has for a while."""
        steady_ms = now_ms - max(self._fell_ms, self._queue.last_ms)
        if steady_ms < RETURN_MS or self._backoff.is_backing_off:
            return False
        return min(self._allowed_since(now_ms - RETURN_MS)) > PLENTY * max_bps

    def _probe(self, bps: float, target: _Target) -> BitrateCap | None:
        """One step up, once the link has allowed it for as long as the backoff asks."""
        now_ms = target.now_ms
        recent_bps = min(self._allowed_since(now_ms - UP_WINDOW_MS))
        if recent_bps > 2.0 * bps:  # another link than the noisy one before
            self._backoff.reset()
            probed_bps = min(target.max_bps, recent_bps)
        else:
            probed_bps = min(target.useful_bps, self.min_allowed_bps)
        wait_ms = self._backoff.wait_ms
        if self.state is State.COMPETING:
            probed_bps, wait_ms = target.wanted_bps, 0.0
        margin = UP
        if probed_bps >= target.max_bps:
            margin = UP_TO_MAX
        elif now_ms - self._changed_ms > CALM_MS:
            margin = UP_CALM
        if (
            probed_bps <= margin * bps
            or now_ms - self._fell_ms < wait_ms
            or now_ms - self._changed_ms < UP_INTERVAL_MS
        ):
            return None
        self._backoff.increased(now_ms)
        capacity_bps, before_bps = self._link.capacity_bps, self._changed_capacity_bps
        reason = "room for more bits"
        if capacity_bps is not None and before_bps is not None and capacity_bps > 1.15 * before_bps:
            reason = f"link is at {mbit(capacity_bps)} again"
        return BitrateCap(min(probed_bps, UP_FACTOR * bps), reason)
