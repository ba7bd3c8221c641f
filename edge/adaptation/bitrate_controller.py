"""The encoder's cap: how many bits a second still cross the link in time.

A frame has to cross in the time that the latency objective leaves for it, so it may have capacity
x that time, and a second `fps` times as much; never over three quarters of the capacity. Less
while a queue drains or packets are lost. Down at once; up to the *least* that the last second would
have allowed, half as much again at a time. Between the two lie margins (down from 10 % too many, up
from 15 % too few), and bits that went up and had to come down a little soon after wait for longer,
up to 8 s, the next time. So a noisy estimate of a steady link settles near its lower edge instead
of swinging.

A queue is drained by sending next to nothing, and then less than what made it. One that sending
less does not drain is another flow's: it is shared then, not yielded to.

A link that usually carries half as much again as will ever be asked of it is no matter of feeling
one's way: it is back in one step once it has carried that for 450 ms, and when it stops, which with
WiFi is mostly a stall, a third of the bits goes on for 300 ms, as far as it carries them: frames of
next to no bits would come in time and show nothing. Pure: times in ms are arguments.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import inf

from edge.adaptation.backoff import ExponentialBackoff
from edge.adaptation.measurements import LinkMeasurements

MIN_BPS = 100_000
CAPACITY_PART = 0.75  # of the link, that video may fill in the long run
FAIR_PART = 0.3  # of the link, that is held at least where a queue is another flow's
FORGET_MS = 5_000.0  # a queue last seen so long ago was another
SHARE_STEP, SHARE_EVERY_MS = 0.03, 500.0
QUEUE_PART = 0.6  # of a usual frame's time to cross, that it may wait before that
DRAIN_MS = 120.0  # a queue of so long makes every frame late: next to nothing but drains it
DRAIN_PART = 0.15  # of the link, that is still sent then: a starved encoder pauses afterwards
STARVED = 1.25  # times its cap, that an encoder's frames come to which can't be made any smaller
RESUME_PART, PLENTY = 0.85, 1.5  # of what made the queue, once it has drained; room for more
RESUME_WINDOW_MS, RESUME_MS = 120.0, 3_000.0
STALL_PART, STALL_MS = 0.35, 300.0  # of the bits, that a stall leaves; how long it may last
BACK_MS = 450.0  # after a fall, that a link with plenty of room must have had it
CUT_MS = 400.0  # between two cuts for the same queue
STANDING_MS = 1_500.0  # a queue that has not drained by then isn't ours
DRAINED_MS = 500.0  # without a queue: whatever is next is another
ALLOWED_LOSS = 0.03
USUAL_MS, OUTAGE_MS = 4_000.0, 2_000.0
UP_WINDOW_MS, MAX_UP_WINDOW_MS = 1_000.0, 8_000.0
UP_EVERY_MS = 200.0
UP_FACTOR = 1.5
MOMENT_MS = 150.0
CALM_MS = 4_000.0  # without a change; then a smaller step up is worth it


@dataclass(frozen=True, slots=True)
class BitrateCap:
    """Bits a second that the encoder may make at most, and why they change."""

    bps: float
    reason: str


class BitrateController:
    """One session's cap: `allow` with what was measured, then `decide`. Times never go back."""

    def __init__(self, start_bps: float, max_bps: float) -> None:
        self._max_bps = max(max_bps, float(MIN_BPS))
        self._start_bps = min(start_bps, self._max_bps)
        self._bps: float | None = None  # in force
        self._link = LinkMeasurements()
        self._slow_ms: float | None = None
        self._made_bps: float | None = None
        self._limit = ""
        self._known_bps: float | None = None  # the capacity when the cap last changed
        self._carried: deque[tuple[float, float]] = deque()  # as far as `_patience` looks back
        self._said_ms = self._down_ms = self._cut_ms = self._fine_ms = -inf
        self._cut_bps: float | None = None
        self._cut_queue_ms = 0.0
        self._drain_bps = inf  # while a queue drains
        self._resume_bps: float | None = None  # after it
        self._queued_since_ms: float | None = None
        self._queued_ms = -inf  # when a queue was last seen
        self._share = FAIR_PART
        self._shared: tuple[float, float] = (-inf, 0.0)  # when the share last changed, the queue
        self._usual: deque[tuple[float, float]] = deque()
        self._patience = ExponentialBackoff(UP_WINDOW_MS, MAX_UP_WINDOW_MS)

    @property
    def bps(self) -> float | None:
        """The cap in force, None before the first decision."""
        return self._bps

    @property
    def least_bps(self) -> float:
        """The least that was allowed of late: what can be counted on."""
        least_bps = min((bps for _, bps in self._carried), default=self._start_bps)
        return min(least_bps, self._max_bps)

    @property
    def usual_bps(self) -> float:
        """What the link has carried in time of late, outages apart: its lower quartile."""
        ordered = sorted(bps for _, bps in self._usual)
        if not ordered:
            return self._start_bps
        return max(float(MIN_BPS), min(self._max_bps, ordered[len(ordered) // 4]))

    def _remember(self, bps: float, queues: bool, now_ms: float) -> None:
        """What the link usually carries: a queue or a short outage says nothing about that."""
        if queues and self._usual and now_ms - self._usual[-1][0] < OUTAGE_MS:
            return
        self._usual.append((now_ms, bps))
        while self._usual[0][0] < now_ms - USUAL_MS:
            self._usual.popleft()

    def allow(
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
        self._made_bps = None if link.frame_bits is None else fps * link.frame_bits
        network_ms = link.network_ms
        is_slow = network_ms is not None and network_ms > network_limit_ms
        self._slow_ms = network_ms if is_slow else None
        carried_bps = max(self._allowance(link, crossing_ms, fps, now_ms), float(MIN_BPS))
        allowed_bps = min(carried_bps, self._max_bps)
        # A low that passed this soon was a frame that others were in the way of, not the link.
        while self._carried and self._carried[-1][0] > now_ms - MOMENT_MS:
            if self._carried[-1][1] > carried_bps:
                break
            self._carried.pop()
        self._carried.append((now_ms, carried_bps))
        while self._carried[0][0] < now_ms - self._patience.ms:
            self._carried.popleft()
        return allowed_bps

    def _allowance(
        self, link: LinkMeasurements, crossing_ms: float, fps: float, now_ms: float
    ) -> float:
        capacity_bps = link.available_bps if link.capacity_bps is None else link.capacity_bps
        if capacity_bps is None:
            return self._start_bps
        bps = capacity_bps * min(CAPACITY_PART, fps * crossing_ms / 1000.0)
        self._remember(bps, link.queue_ms > max(10.0, QUEUE_PART * crossing_ms), now_ms)
        if link.queue_ms > max(10.0, QUEUE_PART * crossing_ms):
            bps = self._queued(link, capacity_bps, crossing_ms, bps, now_ms)
            self._limit = f"frames queue for {link.queue_ms:.0f} ms on the way"
        else:
            self._cut_bps = None
            if now_ms - self._queued_ms > DRAINED_MS:
                self._queued_since_ms = None
            if now_ms - self._queued_ms > FORGET_MS:
                self._cut_queue_ms = 0.0
            if self._standing(now_ms):  # it will be back
                bps = min(bps, max(self._share * capacity_bps, self._bps or 0.0))
            if self._slow_ms is not None:
                bps *= 0.7
                self._limit = f"frames take {self._slow_ms:.0f} ms to cross the network"
        if link.loss > ALLOWED_LOSS and not self._standing(now_ms):
            bps *= max(0.5, 1.0 - 2.0 * link.loss)
            self._limit = f"{100 * link.loss:.0f} % of the packets are lost"
        return bps

    def _standing(self, now_ms: float) -> bool:
        """Whether there is a queue that sending less did not drain."""
        since_ms = self._queued_since_ms
        return since_ms is not None and now_ms - since_ms > STANDING_MS

    def _queued(
        self,
        link: LinkMeasurements,
        capacity_bps: float,
        crossing_ms: float,
        bps: float,
        now_ms: float,
    ) -> float:
        self._queued_ms = now_ms
        if self._queued_since_ms is None:
            self._queued_since_ms = now_ms
            self._share = FAIR_PART
        if self._standing(now_ms):
            return min(bps, self._shared_part(link, now_ms) * capacity_bps)
        queue_ms = link.queue_ms
        # The same queue again, though less was sent, is another flow's frames in our way.
        grew = queue_ms > 1.2 * self._cut_queue_ms + 3.0
        if self._bps is not None and now_ms - self._cut_ms >= CUT_MS and grew:
            self._cut_ms, self._cut_queue_ms = now_ms, queue_ms
            self._cut_bps = self._bps * max(0.4, 1.0 - queue_ms / max(25.0, 2.8 * crossing_ms))
        drained_bps = capacity_bps * max(DRAIN_PART, 1.0 - queue_ms / DRAIN_MS)
        self._drain_bps = max(float(MIN_BPS), min(drained_bps, self._cut_bps or inf))
        return bps

    def _shared_part(self, link: LinkMeasurements, now_ms: float) -> float:
        """Of the capacity, beside another flow: a little more while its queue does not grow."""
        since_ms, before_ms = self._shared
        if now_ms - since_ms >= SHARE_EVERY_MS:
            worse = link.loss > ALLOWED_LOSS or link.queue_ms > 1.2 * before_ms + 5.0
            self._share += -0.15 * self._share if worse else SHARE_STEP
            self._share = min(CAPACITY_PART, max(FAIR_PART, self._share))
            self._shared = (now_ms, link.queue_ms)
        return self._share

    def decide(self, useful_bps: float, now_ms: float) -> BitrateCap | None:
        """The new cap, or None if the one in force stands; over `useful_bps` buys nothing."""
        carried_bps = self._carried[-1][1] if self._carried else self._start_bps
        cap = self._decide(min(carried_bps, self._max_bps), max(useful_bps, float(MIN_BPS)), now_ms)
        if cap is not None:
            self._bps, self._said_ms = cap.bps, now_ms
            self._known_bps = self._link.capacity_bps
        return cap

    def _decide(self, allowed_bps: float, useful_bps: float, now_ms: float) -> BitrateCap | None:
        capacity_bps, known_bps = self._link.capacity_bps, self._known_bps
        most_bps = min(useful_bps, self._max_bps)
        wanted_bps = min(allowed_bps, useful_bps, self._drain_bps)
        if wanted_bps >= STALL_PART * most_bps:
            self._fine_ms = now_ms
        elif self._is_stall(most_bps, now_ms):
            carried_bps = CAPACITY_PART * (self._link.capacity_bps or 0.0)
            wanted_bps = max(wanted_bps, min(STALL_PART * most_bps, carried_bps))
        if self._bps is None:
            why = "starting: the link is not measured yet"
            if capacity_bps == inf:
                why = "starting: the publisher controls its rate"
            elif capacity_bps is not None:
                why = f"starting on a link of {mbit(capacity_bps)}"
            return BitrateCap(wanted_bps, why)
        if wanted_bps < 0.9 * self._bps:
            self._down_ms = now_ms
            if wanted_bps > 0.6 * self._bps:  # else no noise, but a change
                self._patience.down(now_ms)
            if self._drain_bps < inf and self._resume_bps is None:
                self._resume_bps = self._bps
            fell = capacity_bps is not None and (known_bps is None or capacity_bps < known_bps)
            why = "fewer bits are enough"
            if fell and capacity_bps is not None:
                why = f"link fell to {mbit(capacity_bps)}"
            elif useful_bps >= allowed_bps:
                why = f"the link carries {mbit(allowed_bps)} in time"
            return BitrateCap(wanted_bps, self._limit or why)
        if self._resume_bps is not None and self._drain_bps == inf:
            recent = [bps for at_ms, bps in self._carried if at_ms >= now_ms - RESUME_WINDOW_MS]
            # Where there is plenty of room now, it was the link that failed, not the bits.
            part = 1.0 if min(recent) > PLENTY * self._resume_bps else RESUME_PART
            resume_bps = part * self._resume_bps
            resumed_bps = min(useful_bps, resume_bps, self._max_bps, *recent)
            if resumed_bps >= resume_bps or now_ms - self._queued_ms > RESUME_MS:
                self._resume_bps = None
            if resumed_bps > 1.15 * self._bps:
                return BitrateCap(resumed_bps, "the queue has drained")
        made_bps = self._made_bps
        if made_bps is not None and now_ms - self._queued_ms > RESUME_WINDOW_MS:
            starved_bps = min(wanted_bps, made_bps)
            if starved_bps > STARVED * self._bps:
                return BitrateCap(starved_bps, "the encoder can't make frames any smaller")
        if self._bps < most_bps / 1.02 and self._has_plenty(most_bps, now_ms):
            return BitrateCap(most_bps, "the link has plenty of room")
        recent = [bps for at_ms, bps in self._carried if at_ms >= now_ms - UP_WINDOW_MS]
        if min(recent) > 2.0 * self._bps:  # clearly another link than the noisy one before
            self._patience.reset()
            least_bps = min(useful_bps, self._max_bps, *recent)
        else:
            least_bps = min(useful_bps, self.least_bps)
        if self._standing(now_ms):
            least_bps, patience_ms = wanted_bps, 0.0
        else:
            patience_ms = self._patience.ms
        margin = 1.15
        if least_bps >= most_bps:
            margin = 1.02
        elif now_ms - self._said_ms > CALM_MS:
            margin = 1.05
        if (
            least_bps <= margin * self._bps
            or now_ms - self._down_ms < patience_ms
            or now_ms - self._said_ms < UP_EVERY_MS
        ):
            return None
        self._patience.up(now_ms)
        why = "room for more bits"
        if capacity_bps is not None and known_bps is not None and capacity_bps > 1.15 * known_bps:
            why = f"link is at {mbit(capacity_bps)} again"
        return BitrateCap(min(least_bps, UP_FACTOR * self._bps), why)

    def _is_stall(self, most_bps: float, now_ms: float) -> bool:
        """Whether a link that usually carries much more than is ever asked of it has just stopped:
        when it goes on, a queue is soon gone, and what was sent meanwhile had better be of use."""
        usual = sorted(bps for _, bps in self._usual)
        usual_bps = usual[len(usual) // 4] if usual else 0.0
        return usual_bps > PLENTY * most_bps and now_ms - self._fine_ms < STALL_MS

    def _has_plenty(self, most_bps: float, now_ms: float) -> bool:
        """Whether the link could carry much more than will ever be asked of it, as it does but for
        a stall: there is nothing to feel one's way to."""
        if now_ms - max(self._down_ms, self._queued_ms) < BACK_MS or self._patience.is_tried:
            return False
        recent = [bps for at_ms, bps in self._carried if at_ms >= now_ms - BACK_MS]
        return min(recent) > PLENTY * most_bps


def mbit(bps: float) -> str:
    """A rate in words: "1.2 Mbit/s", "340 kbit/s"."""
    return f"{bps / 1e6:.1f} Mbit/s" if bps >= 950_000 else f"{round(bps, -4) / 1e3:.0f} kbit/s"
