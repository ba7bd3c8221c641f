"""The rate-control loop over a simulated link: encoder, pacer, link, estimator, hints, feedback.

Simulated are the publisher (the simulator's encoder with Chromium's frame-rate estimate, Chromium's
pacer and its REMB rules) and the link. The decisions are the project's own: `BandwidthEstimator`
and `HintController`, called as the receiver and the session call them.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from analysis.simulator.components.encoder import Encoder, SendRequest
from analysis.simulator.event_queue import EventQueue
from edge.adaptation.hint_controller import CROSSING_PART, HintController
from edge.adaptation.measurements import SessionMeasurements
from edge.rtc.bwe.bandwidth_estimator import BandwidthEstimator
from edge.scheduling.assignment import Assignment
from tests.rtc.simlink import Bottleneck

PACKET_BITS = 8 * 1200
HEADER_BYTES = 38
HEADER_BITS = 8 * HEADER_BYTES
_LONG_SIDE = 608


class ChromiumEncoder(Encoder):
    """Divides the bitrate by the number of frames in the last second: after a pause, or a rise of
    the frame rate, frames are larger than they were asked to be."""

    largest_deviation = 1.5

    def __init__(self, request: SendRequest, camera_fps: float, rng: random.Random) -> None:
        super().__init__(request, camera_fps, rng)
        self._encoded_ms: deque[float] = deque()
        self._began_ms = math.inf

    def _divisor_fps(self, now_ms: float) -> float:
        self._began_ms = min(self._began_ms, now_ms)
        self._encoded_ms.append(now_ms)
        while self._encoded_ms[0] <= now_ms - 1000.0:
            self._encoded_ms.popleft()
        camera_fps = 1000.0 / self.frame_ms
        is_young = now_ms - self._began_ms < 1000.0
        return camera_fps if is_young else min(camera_fps, float(len(self._encoded_ms)))


@dataclass
class SentFrame:
    """When a frame left the encoder, when its last packet arrived, and its bits (0: left out to
    keep to the frame rate asked for)."""

    encoded_ms: float
    bits: float
    packets: int
    received_ms: float = math.inf
    arrived: int = 0

    @property
    def network_ms(self) -> float:
        return self.received_ms - self.encoded_ms


@dataclass
class RateLoop:
    """One publisher and the server's decisions about it, over one bottleneck.

    `hinted`: the page obeys hints; otherwise REMB alone guides the sender. `pacing` is the pacer's
    factor over the sender's estimate, `skew` the sender's clock over the server's (1e-4: 100 ppm).
    """

    events: EventQueue
    link: Bottleneck
    fps: float = 15.0
    cap_bps: float = 1.2e6
    hinted: bool = True
    pacing: float = 1.1
    crossing_ms: float = 30.0
    back_ms: float = 10.0
    skew: float = 0.0
    starts_ms: float = 0.0
    send_times: bool = True
    seed: int = 4
    frames: list[SentFrame] = field(default_factory=list)
    hints: list[tuple[float, float, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        first_bps = min(1.5e6, self.cap_bps)
        self.estimator = BandwidthEstimator()
        self.estimator.remb.max_cap_bps = self.cap_bps if self.hinted else None
        self.estimator.one_way_ms = self.link.delay_ms
        self.controller = HintController(start_bps=first_bps, max_bps=self.cap_bps)
        self._plan = Assignment("", _LONG_SIDE, self.cap_bps, 0.0, "")
        # The sender's side
        self._max_bps = first_bps if self.hinted else self.cap_bps
        self._asked_fps = self.fps
        self._remb_bps = math.inf
        self._estimate_bps = 300e3
        self._recent: deque[tuple[float, float]] = deque()
        self._encoder = ChromiumEncoder(self._request(), self.fps, random.Random(self.seed))
        self._pacer_free_ms = 0.0
        self._key_frame_due_ms = math.inf
        self._key_frame_asked_ms = -math.inf
        self._received = self._missed = 0
        events = self.events
        events.every(1000.0 / self.fps, self._encode, self.starts_ms)
        events.every(100.0, self._decide, self.starts_ms)
        events.every(250.0, self._report, self.starts_ms + 20.0)
        events.every(20.0, self._tick, self.starts_ms)

    # -- the sender -----------------------------------------------------------------------------

    def _grow(self) -> None:
        """Chromium's estimate where only REMB guides it: 8 % a second, bounded by REMB."""
        now_ms = self.events.now_ms
        if now_ms - self.starts_ms < 2000.0 and self._remb_bps < math.inf:
            self._estimate_bps = max(self._estimate_bps, self._remb_bps)
        while self._recent and now_ms - self._recent[0][0] > 1000.0:
            self._recent.popleft()
        while self._recent and self._recent[-1][1] >= self._estimate_bps:
            self._recent.pop()
        self._recent.append((now_ms, self._estimate_bps))
        grown_bps = 1.08 * self._recent[0][1] + 1000.0
        self._estimate_bps = min(max(self._estimate_bps, grown_bps), self._remb_bps)

    def _request(self) -> SendRequest:
        return SendRequest(_LONG_SIDE, self._asked_fps, min(self._max_bps, self._estimate_bps))

    def _encode(self) -> None:
        self._grow()
        now_ms = self.events.now_ms
        if now_ms >= self._key_frame_due_ms:
            self._key_frame_due_ms = math.inf
            self._encoder.ask_key_frame()
        self._encoder.ask(self._request(), now_ms)
        encoded = self._encoder.encode(now_ms)
        if encoded is None:
            self.frames.append(SentFrame(now_ms, 0.0, 0))
            return
        count = max(1, math.ceil(encoded.bits / PACKET_BITS))
        frame = SentFrame(now_ms, encoded.bits, count)
        self.frames.append(frame)
        rtp = int(90.0 * now_ms * (1.0 + self.skew)) & 0xFFFFFFFF
        pacer_bps = self.pacing * max(self._estimate_bps, 100e3)
        size_bytes = math.ceil(encoded.bits / 8 / count) + HEADER_BYTES
        for index in range(count):
            at_ms = max(now_ms, self._pacer_free_ms)
            self._pacer_free_ms = at_ms + 8000.0 * size_bytes / pacer_bps
            self.events.at(at_ms, self._packet(frame, rtp, size_bytes, index == count - 1))

    def _packet(
        self, frame: SentFrame, rtp: int, size_bytes: int, last: bool
    ) -> Callable[[], None]:
        def send() -> None:
            sent_ms = self.events.now_ms * (1.0 + self.skew)

            def arrive() -> None:
                self._arrive(frame, rtp, size_bytes - HEADER_BYTES, last, sent_ms)

            if not self.link.send(size_bytes, arrive):
                self._missed += 1
                self._lost(frame)

        return send

    def _lost(self, frame: SentFrame) -> None:
        """An incomplete frame cannot be decoded; the server asks for a key frame."""
        frame.arrived = -10_000
        now_ms = self.events.now_ms
        if now_ms - self._key_frame_asked_ms > 250.0:
            self._key_frame_asked_ms = self._key_frame_due_ms = now_ms + 2 * self.back_ms

    # -- the server -----------------------------------------------------------------------------

    def _arrive(
        self, frame: SentFrame, rtp: int, size_bytes: int, last: bool, sent_ms: float
    ) -> None:
        now_ms = self.events.now_ms
        self._received += 1
        frame.arrived += 1
        if frame.arrived == frame.packets:
            frame.received_ms = now_ms
        send_time = int(sent_ms * 262.144) & 0xFFFFFF if self.send_times else None
        self.estimator.observe(rtp, size_bytes, last, now_ms, send_time)
        self._react()

    def _tick(self) -> None:
        self.estimator.tick(self.events.now_ms)
        self._react()

    def _react(self) -> None:
        if self.estimator.detect_step(self.events.now_ms):
            self._decide()
        if self.estimator.remb.is_falling(self.events.now_ms):
            self._send_remb()

    def _report(self) -> None:
        self.estimator.observe_counts(self._received, self._missed, self.events.now_ms)
        self._send_remb()

    def _send_remb(self) -> None:
        bps = self.estimator.remb.due(self.events.now_ms)
        if bps is not None:
            self.events.after(self.back_ms, lambda: self._take_remb(bps))

    def _take_remb(self, bps: float) -> None:
        self._remb_bps = bps
        self._estimate_bps = min(self._estimate_bps, bps)

    def _decide(self) -> None:
        if not self.hinted:
            return
        now_ms = self.events.now_ms
        hint = self.controller.decide(
            SessionMeasurements(
                slo_ms=100.0,
                fps=self.fps,
                capacity_bps=self.estimator.capacity_bps,
                queue_ms=self.estimator.queue_ms,
                loss=self.estimator.loss,
                frame_bits=self.estimator.frame_bits(now_ms),
                network_budget_ms=self.crossing_ms / CROSSING_PART,
            ),
            self._plan,
            now_ms,
        )
        if hint is not None:
            bps, fps = float(hint.max_bps), hint.fps
            self.hints.append((now_ms, bps, hint.reason))
            self.events.after(self.back_ms, lambda: self._apply(bps, fps))

    def _apply(self, bps: float, fps: float) -> None:
        self._max_bps, self._asked_fps = bps, fps
        self.events.after(self.link.delay_ms, lambda: self._applied(bps))

    def _applied(self, bps: float) -> None:
        self.estimator.set_cap(bps, self.events.now_ms)

    # -- results --------------------------------------------------------------------------------

    def between(self, from_s: float, to_s: float) -> list[SentFrame]:
        return [f for f in self.frames if 1000 * from_s <= f.encoded_ms < 1000 * to_s]

    def worst_ms(self, from_s: float, to_s: float) -> float:
        return max(frame.network_ms for frame in self.between(from_s, to_s))

    def median_ms(self, from_s: float, to_s: float) -> float:
        times = sorted(frame.network_ms for frame in self.between(from_s, to_s))
        return times[len(times) // 2]

    def late(self, from_s: float, to_s: float, limit_ms: float) -> float:
        """Share of the frames that took longer, or never arrived complete."""
        frames = self.between(from_s, to_s)
        return sum(frame.network_ms > limit_ms for frame in frames) / len(frames)

    def mean_bps(self, from_s: float, to_s: float) -> float:
        return sum(frame.bits for frame in self.between(from_s, to_s)) / (to_s - from_s)
