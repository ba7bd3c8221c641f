"""A simulated link with real decisions: encoder, pacer, bottleneck, feedback, on a fake clock.

What is simulated is the publisher (an encoder that obeys its cap within two frames and goes by the
frames of the last second, and Chromium's pacer and REMB rules) and the link (a rate by trace, a
drop-tail queue, delay, jitter, other flows). What decides is the project's own:
`BandwidthEstimator` and `HintController`, called as the receiver and the session call them.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from edge.adaptation.hint_controller import CROSSING_PART, HintController
from edge.adaptation.measurements import SessionMeasurements
from edge.rtc.bwe.bandwidth_estimator import BandwidthEstimator
from edge.scheduling.assignment import Assignment

PACKET_BITS = 8 * 1200
HEADER_BITS = 8 * 38
MSS_BITS = 8 * 1500
Trace = Sequence[tuple[float, float]]  # (from ms, bit/s), in order


class World:
    """Events by time."""

    def __init__(self) -> None:
        self.now_ms = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def at(self, ms: float, event: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (max(ms, self.now_ms), self._count, event))

    def after(self, ms: float, event: Callable[[], None]) -> None:
        self.at(self.now_ms + ms, event)

    def every(self, ms: float, event: Callable[[], None], first_ms: float = 0.0) -> None:
        def again() -> None:
            event()
            self.after(ms, again)

        self.at(first_ms, again)

    def run(self, until_ms: float) -> None:
        while self._events and self._events[0][0] <= until_ms:
            self.now_ms, _, event = heapq.heappop(self._events)
            event()
        self.now_ms = until_ms


@dataclass
class Bottleneck:
    """A queue in bytes that drains at the trace's rate; what doesn't fit is dropped.

    `clump_ms`: a radio's retransmissions: now and then all is held for 5 ms to this long, and
    released together. Order is kept. `burst_bytes` pass at once after idling, as tbf lets them.
    """

    world: World
    trace: Trace
    queue_bytes: float = 256_000.0
    delay_ms: float = 10.0
    clump_ms: float = 0.0
    burst_bytes: float = 0.0
    seed: int = 1
    dropped: int = 0
    _free_ms: float = 0.0
    _arrived_ms: float = 0.0
    _held_until_ms: float = 0.0
    _queue: deque[tuple[float, float]] = field(default_factory=deque)
    _queued_bytes: float = 0.0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._starts = [ms for ms, _ in self.trace]

    def rate_bps(self, ms: float) -> float:
        rate = self.trace[0][1]
        for start_ms, bps in self.trace:
            if start_ms > ms:
                break
            rate = bps
        return rate

    def finish_ms(self, start_ms: float, bits: float) -> float:
        """When `bits` that begin at `start_ms` have been let through; infinity if never."""
        at_ms = start_ms
        while True:
            bps = self.rate_bps(at_ms)
            next_ms = next((ms for ms in self._starts if ms > at_ms), math.inf)
            done_ms = at_ms + 1000.0 * bits / bps if bps > 0 else math.inf
            if done_ms <= next_ms:
                return done_ms
            if next_ms == math.inf:
                return math.inf
            bits -= bps * (next_ms - at_ms) / 1000.0
            at_ms = next_ms

    def send(self, bits: float, deliver: Callable[[], None]) -> bool:
        now_ms, size = self.world.now_ms, bits / 8.0
        while self._queue and self._queue[0][0] <= now_ms:
            self._queued_bytes -= self._queue.popleft()[1]
        if self._queued_bytes + size > self.queue_bytes:
            self.dropped += 1
            return False
        credit_ms = 8000.0 * self.burst_bytes / max(self.rate_bps(now_ms), 1.0)
        self._free_ms = self.finish_ms(max(self._free_ms, now_ms - credit_ms), bits)
        out_ms = max(now_ms, self._free_ms)
        self._queue.append((out_ms, size))
        self._queued_bytes += size
        if out_ms < math.inf:
            if self.clump_ms and out_ms > self._held_until_ms and self._random.random() < 0.1:
                self._held_until_ms = out_ms + self._random.uniform(5.0, self.clump_ms)
            held_ms = max(out_ms, self._held_until_ms) if self.clump_ms else out_ms
            self._arrived_ms = max(self._arrived_ms, held_ms + self.delay_ms)
            self.world.at(self._arrived_ms, deliver)
        return True


@dataclass
class SentFrame:
    """One frame's way: when it left the encoder, when its last packet came, and its bits (0: the
    camera took it, but fewer were asked for)."""

    encoded_ms: float
    bits: float
    packets: int
    received_ms: float = math.inf
    arrived: int = 0

    @property
    def network_ms(self) -> float:
        return self.received_ms - self.encoded_ms


@dataclass
class SimulatedSession:
    """A publisher and the server's decisions about it, over one bottleneck.

    `hinted`: the page obeys hints; without, REMB is all there is. `pacing` is the pacer's factor
    over the sender's estimate, `skew` the sender's clock over the server's (1e-4: 100 ppm).
    """

    world: World
    link: Bottleneck
    fps: float = 15.0
    cap_bps: float = 1.2e6
    hinted: bool = True
    pacing: float = 1.1
    crossing_ms: float = 30.0
    back_ms: float = 10.0
    skew: float = 0.0
    variation: float = 0.2
    starts_ms: float = 0.0
    send_times: bool = True
    seed: int = 3
    frames: list[SentFrame] = field(default_factory=list)
    hints: list[tuple[float, float, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rate = BandwidthEstimator()
        self.rate.remb.max_cap_bps = self.cap_bps if self.hinted else None
        self.rate.one_way_ms = self.link.delay_ms
        self.law = HintController(start_bps=min(1.5e6, self.cap_bps), max_bps=self.cap_bps)
        self._plan = Assignment("", 608, self.cap_bps, 0.0, "")
        self._random = random.Random(self.seed)
        # The sender's side
        self._max_bps = self.cap_bps if not self.hinted else min(1.5e6, self.cap_bps)
        self._asked_fps = self.fps
        self._owed = 0.0  # frames
        self._encoded_ms: deque[float] = deque()  # frames of the last second
        self._remb_bps = math.inf
        self._estimate_bps = 300e3
        self._recent: deque[tuple[float, float]] = deque()
        self._encoding_bps = 0.0
        self._pacer_free_ms = 0.0
        self._key = True
        self._lost_ms = -math.inf
        self._received = self._missed = 0
        world = self.world
        world.every(1000.0 / self.fps, self._encode, self.starts_ms)
        world.every(100.0, self._decide, self.starts_ms)
        world.every(250.0, self._report, self.starts_ms + 20.0)
        world.every(20.0, self._tick, self.starts_ms)

    # -- the sender -----------------------------------------------------------------------------

    def _grow(self) -> None:
        """Chromium's estimate where only REMB guides it: 8 % a second, REMB being its bound."""
        now_ms = self.world.now_ms
        if now_ms - self.starts_ms < 2000.0 and self._remb_bps < math.inf:
            self._estimate_bps = max(self._estimate_bps, self._remb_bps)
        while self._recent and now_ms - self._recent[0][0] > 1000.0:
            self._recent.popleft()
        while self._recent and self._recent[-1][1] >= self._estimate_bps:
            self._recent.pop()
        self._recent.append((now_ms, self._estimate_bps))
        grown_bps = 1.08 * self._recent[0][1] + 1000.0
        self._estimate_bps = min(max(self._estimate_bps, grown_bps), self._remb_bps)

    def _encode(self) -> None:
        self._grow()
        now_ms = self.world.now_ms
        sent = self._encoded_ms
        self._owed = min(1.0, self._owed + min(1.0, self._asked_fps / self.fps))
        if self._owed < 1.0 - 1e-9:
            self.frames.append(SentFrame(now_ms, 0.0, 0))
            return
        self._owed -= 1.0
        sent.append(now_ms)
        while sent[0] <= now_ms - 1000.0:
            sent.popleft()
        is_young = now_ms - self.starts_ms < 1000.0
        fps = self.fps if is_young else min(self.fps, float(len(sent)))
        target_bps = min(self._max_bps, self._estimate_bps)
        before_bps = self._encoding_bps or target_bps
        # A large cut shows in part in the first frame, in whole in the second.
        self._encoding_bps = target_bps
        bits = math.sqrt(target_bps * max(before_bps, target_bps)) / fps
        bits *= min(1.5, math.exp(self._random.gauss(0.0, self.variation)))
        if self._key and now_ms > self._lost_ms:
            bits *= 3.0
            self._key = False
        count = max(1, math.ceil(bits / PACKET_BITS))
        frame = SentFrame(now_ms, bits, count)
        self.frames.append(frame)
        rtp = int(90.0 * now_ms * (1.0 + self.skew)) & 0xFFFFFFFF
        pacer_bps = self.pacing * max(self._estimate_bps, 100e3)
        for index in range(count):
            wire = bits / count + HEADER_BITS
            at_ms = max(now_ms, self._pacer_free_ms)
            self._pacer_free_ms = at_ms + 1000.0 * wire / pacer_bps
            self.world.at(at_ms, self._packet(frame, rtp, wire, index == count - 1))

    def _packet(self, frame: SentFrame, rtp: int, wire: float, last: bool) -> Callable[[], None]:
        def send() -> None:
            sent_ms = self.world.now_ms * (1.0 + self.skew)
            if not self.link.send(wire, lambda: self._arrive(frame, rtp, wire, last, sent_ms)):
                self._missed += 1
                self._lost(frame)

        return send

    def _lost(self, frame: SentFrame) -> None:
        """A frame with a hole is of no use; the server asks for a key frame."""
        frame.arrived = -10_000
        now_ms = self.world.now_ms
        if now_ms - self._lost_ms > 250.0:
            self._key, self._lost_ms = True, now_ms + 2 * self.back_ms

    # -- the server -----------------------------------------------------------------------------

    def _arrive(self, frame: SentFrame, rtp: int, wire: float, last: bool, sent_ms: float) -> None:
        now_ms = self.world.now_ms
        self._received += 1
        frame.arrived += 1
        if frame.arrived == frame.packets:
            frame.received_ms = now_ms
        time = int(sent_ms * 262.144) & 0xFFFFFF if self.send_times else None
        self.rate.observe(rtp, int((wire - HEADER_BITS) / 8), last, now_ms, time)
        self._watch()

    def _tick(self) -> None:
        self.rate.tick(self.world.now_ms)
        self._watch()

    def _watch(self) -> None:
        if self.rate.detect_step(self.world.now_ms):
            self._decide()
        if self.rate.remb.is_falling(self.world.now_ms):
            self._tell()

    def _report(self) -> None:
        self.rate.observe_counts(self._received, self._missed, self.world.now_ms)
        self._tell()

    def _tell(self) -> None:
        bps = self.rate.remb.due(self.world.now_ms)
        if bps is not None:
            self.world.after(self.back_ms, lambda: self._told(bps))

    def _told(self, bps: float) -> None:
        self._remb_bps = bps
        self._estimate_bps = min(self._estimate_bps, bps)

    def _decide(self) -> None:
        if not self.hinted:
            return
        now_ms = self.world.now_ms
        hint = self.law.decide(
            SessionMeasurements(
                slo_ms=100.0,
                fps=self.fps,
                capacity_bps=self.rate.capacity_bps,
                queue_ms=self.rate.queue_ms,
                loss=self.rate.loss,
                frame_bits=self.rate.frame_bits(now_ms),
                network_budget_ms=self.crossing_ms / CROSSING_PART,
            ),
            self._plan,
            now_ms,
        )
        if hint is not None:
            bps, fps = float(hint.max_bps), hint.fps
            self.hints.append((now_ms, bps, hint.reason))
            self.world.after(self.back_ms, lambda: self._apply(bps, fps))

    def _apply(self, bps: float, fps: float) -> None:
        self._max_bps, self._asked_fps = bps, fps
        self.world.after(self.link.delay_ms, lambda: self._applied(bps))

    def _applied(self, bps: float) -> None:
        self.rate.set_cap(bps, self.world.now_ms)

    # -- what came of it ------------------------------------------------------------------------

    def between(self, from_s: float, to_s: float) -> list[SentFrame]:
        return [f for f in self.frames if 1000 * from_s <= f.encoded_ms < 1000 * to_s]

    def worst_ms(self, from_s: float, to_s: float) -> float:
        return max(frame.network_ms for frame in self.between(from_s, to_s))

    def median_ms(self, from_s: float, to_s: float) -> float:
        times = sorted(frame.network_ms for frame in self.between(from_s, to_s))
        return times[len(times) // 2]

    def late(self, from_s: float, to_s: float, limit_ms: float) -> float:
        """Share of the frames that took longer, or never came whole."""
        frames = self.between(from_s, to_s)
        return sum(frame.network_ms > limit_ms for frame in frames) / len(frames)

    def mean_bps(self, from_s: float, to_s: float) -> float:
        return sum(frame.bits for frame in self.between(from_s, to_s)) / (to_s - from_s)


class Tcp:
    """A greedy AIMD flow: slow start, then one segment a round trip up, half on a loss."""

    def __init__(self, world: World, link: Bottleneck, starts_ms: float = 0.0) -> None:
        self._world, self._link = world, link
        self._window, self._threshold = 10.0, math.inf
        self._flying = 0
        self._cut_ms = -math.inf
        self._rtt_ms = 50.0
        self.received: list[float] = []
        world.at(starts_ms, self._fill)
        world.every(200.0, self._fill, starts_ms)  # a retransmission timer's work

    def _fill(self) -> None:
        while self._flying < int(self._window):
            sent_ms = self._world.now_ms
            self._flying += 1
            if not self._link.send(MSS_BITS, lambda sent_ms=sent_ms: self._arrive(sent_ms)):  # type: ignore[misc]
                self._world.after(self._rtt_ms, self._lost)
                break

    def _arrive(self, sent_ms: float) -> None:
        self.received.append(self._world.now_ms)
        self._world.after(self._link.delay_ms, lambda: self._acked(sent_ms))

    def _acked(self, sent_ms: float) -> None:
        self._flying -= 1
        self._rtt_ms += 0.125 * (self._world.now_ms - sent_ms - self._rtt_ms)
        self._window += 1.0 if self._window < self._threshold else 1.0 / self._window
        self._fill()

    def _lost(self) -> None:
        self._flying -= 1
        if self._world.now_ms - self._cut_ms > self._rtt_ms:
            self._cut_ms = self._world.now_ms
            self._threshold = self._window = max(2.0, self._window / 2.0)
        self._fill()

    def mean_bps(self, from_s: float, to_s: float) -> float:
        count = sum(1000 * from_s <= ms < 1000 * to_s for ms in self.received)
        return MSS_BITS * count / (to_s - from_s)
