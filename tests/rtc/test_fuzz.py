"""Whatever comes off the wire, at whatever times: nothing raises, all that is held and decided is
bounded, and no frame is served that misses a packet or a reference."""

from __future__ import annotations

import asyncio
import itertools
import math
import random
import struct
from dataclasses import dataclass

import pytest
from aiortc import rtp as stock
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edge.adaptation.bitrate_controller import MIN_BPS, BitrateController
from edge.adaptation.measurements import LinkMeasurements
from edge.base.clock import now_ms
from edge.rtc import rtp as edge_rtp
from edge.rtc.bwe import twcc
from edge.rtc.bwe.bandwidth_estimator import BandwidthEstimator
from edge.rtc.bwe.capacity_estimator import MAX_CAPACITY_BPS
from edge.rtc.bwe.remb_policy import MAX_REMB_BPS, MIN_REMB_BPS
from edge.rtc.bwe.twcc import PacketArrivals
from edge.rtc.clock.capture_clock import CaptureClock
from edge.rtc.jitter.assemblies import MAX_BYTES, MAX_FRAMES, MAX_PACKETS
from edge.rtc.jitter.depacketizer import CODECS, Payload, depacketize
from edge.rtc.jitter.frames import JitterBufferOutput
from edge.rtc.jitter.jitter_buffer import JitterBuffer
from edge.rtc.jitter.loss_recovery import MAX_PROBED, PLI_INTERVAL_MS
from edge.rtc.jitter.nack import MAX_NACKS
from edge.rtc.jitter.sequence_restart import MAX_JUMP
from edge.rtc.reception_stats import ReceptionStats
from edge.rtc.rtp import ExtensionIds
from edge.rtc.video_receiver import VideoReceiver
from tests.rtc.twcc_feedback import parse

IDS = ExtensionIds(abs_send_time=1, abs_capture_time=2, transport_cc=3)
VIDEO, AGAIN = 97, 98  # payload types: the stream's, and its retransmissions'
OTHERS = {99: "vp9", 101: "av1", 102: "h264"}  # codecs in the same stream
VP8_KEY = b"\x10\x00\x00\x00\x9d\x01\x2a\x10\x00\x10\x00"
AV1_KEY = b"\x10\x30\x10\x00\x00\x00"
VP8_DELTA = b"\x10\x01delta"

# Steps of time: usual ones, none at all, back, and by a day at once.
steps_ms = st.floats(0.0, 70.0) | st.sampled_from([0.0, -0.5, -1e3, -1e9, 3e3, 8.64e7, 1e12])


# -- bytes ---------------------------------------------------------------------------------------


@st.composite
def rtp_datagrams(draw: st.DrawFn) -> bytes:
    """RTP that is nearly right, so that the parser gets beyond the header."""
    first = 0x80 | draw(st.sampled_from([0x00, 0x10, 0x20, 0x30, 0x12, 0x3F]))
    kind = draw(st.sampled_from([VIDEO, AGAIN, 0, 127, *OTHERS])) | draw(st.sampled_from([0, 0x80]))
    sequence = draw(st.integers(0, 40) | st.integers(0xFFD0, 0xFFFF))
    timestamp = draw(st.integers(0, 5)) * 6000 + draw(st.sampled_from([0, 0xFFFF_0000]))
    head = struct.pack("!BBHLL", first, kind, sequence, timestamp & 0xFFFFFFFF, 7)
    if first & 0x10:
        profile = draw(st.sampled_from([0xBEDE, 0x1000, 0x1FFF, 0xFFFF]))
        words = draw(st.sampled_from([0, 1, 2, 3, 0xFFFF]))
        head += struct.pack("!HH", profile, words) + draw(st.binary(max_size=12))
    body = draw(
        st.sampled_from([VP8_KEY, VP8_DELTA, b"\x00more", b"", b"\x00\x05" + VP8_DELTA, AV1_KEY])
        | st.binary(max_size=40)
    )
    return head + body


rtcp_datagrams = st.lists(
    st.builds(
        lambda count, kind, words, body: struct.pack("!BBH", 0x80 | count, kind, words) + body,
        st.integers(0, 31),
        st.sampled_from([200, 201, 203, 205, 206, 207, 199]),
        st.integers(0, 8) | st.just(0xFFFF),
        st.binary(max_size=32),
    ),
    max_size=3,
).map(b"".join)


@given(rtp_datagrams() | st.binary(max_size=80))
def test_any_datagram_as_rtp(data: bytes) -> None:
    packet = edge_rtp.parse_rtp(data, IDS)
    if packet is None:
        return
    assert packet.size == len(data)
    assert len(packet.payload) <= len(data) - 12
    again = edge_rtp.unwrap_rtx(packet, VIDEO, 7)
    assert again is None or len(again.payload) == len(packet.payload) - 2


@given(rtcp_datagrams | st.binary(max_size=120))
def test_any_datagram_as_rtcp(data: bytes) -> None:
    assert len(list(edge_rtp.parse_rtcp(data))) <= len(data) // 4
    feedback = parse(data)
    assert feedback is None or len(feedback.arrivals_ms) <= 0xFFFF


@given(st.binary(min_size=8, max_size=80))
def test_any_body_as_transport_wide_feedback(body: bytes) -> None:
    data = edge_rtp.rtcp(edge_rtp.TRANSPORT_FEEDBACK, twcc.FORMAT, b"\x00" * 8 + body)
    feedback = parse(data)
    assert feedback is None or len(feedback.arrivals_ms) <= 0xFFFF


@given(st.sampled_from(sorted(CODECS)), st.binary(max_size=60))
def test_any_payload(codec: str, payload: bytes) -> None:
    media = CODECS[codec](payload)  # `depacketize` lets nothing escape
    # H264's length fields and headers become start codes; nothing multiplies.
    assert media is None or len(media.data) <= 4 * len(payload) + 4


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(rtp_datagrams() | rtcp_datagrams | st.binary(max_size=60), steps_ms), max_size=60
    )
)
def test_any_datagrams_into_the_receiver(script: list[tuple[bytes, float]]) -> None:
    """The whole of it, decoder included; what it answers, another implementation can read."""
    sent: list[bytes] = []

    def send(packet: bytes) -> bool:
        sent.append(packet)
        return True

    async def play() -> None:
        receiver = VideoReceiver(
            codecs={VIDEO: "vp8", **OTHERS},
            retransmissions={AGAIN: VIDEO},
            extensions=IDS,
            send_rtcp=send,
            on_frame=lambda frame: None,
            on_lost=lambda rtps, reason: None,
            clock=CaptureClock(),
            estimator=BandwidthEstimator(),
            slo_ms=100.0,
        )
        at_ms = now_ms()
        for data, step_ms in script:
            at_ms += step_ms
            if edge_rtp.is_rtcp(data):
                receiver.handle_rtcp(data, at_ms)
            else:
                receiver.handle_rtp(data, at_ms)
        receiver._send_report()
        receiver._on_poll()
        assert receiver.jitter.units.failures == 0
        receiver.close()
        await receiver.closed()

    asyncio.run(play())
    for compound in sent:
        assert len(compound) <= 1200
        assert stock.RtcpPacket.parse(compound)


# -- the jitter buffer: a real stream on a way that does anything --------------------------------


@dataclass
class Sent:
    """One frame as its sender made it; `refers` to the frame it can't be decoded without."""

    number: int
    keyframe: bool
    refers: int | None
    data: bytes
    rtp: int


@dataclass
class Wired:
    """One packet of it."""

    sequence: int
    rtp: int
    marker: bool
    media: Payload


fates = st.lists(
    st.sampled_from(["comes", "comes", "comes", "is lost", "comes late", "comes twice"]),
    min_size=1,
    max_size=6,
)


class AnyWay(RuleBasedStateMachine):
    """A sender of many frames; packets are lost, doubled, late, and out of order, at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.buffer = JitterBuffer(60.0, 30.0)
        self.now_ms = 1e6
        self.frames: dict[int, Sent] = {}
        self.late: list[Wired] = []
        self.history: dict[int, Wired] = {}
        self.served: set[int] = set()
        self.ended: set[int] = set()
        self.last_served = -1
        self.reference: int | None = None
        self.needs_key = True
        self.asked_ms = -math.inf
        self.asked: list[int] = []
        self.sequence = 0

    @initialize(sequence=st.sampled_from([0, 1, 0xFFF0, 0xFFFF, 0x7FFE]))
    def begin(self, sequence: int) -> None:
        self.sequence = sequence

    @rule(kind=st.sampled_from(["key", "delta", "delta", "delta", "droppable"]), fates=fates)
    def encode(self, kind: str, fates: list[str]) -> None:
        """A frame of as many packets as there are fates; what is late may come any time later."""
        number = len(self.frames)
        count = len(fates)
        keyframe = kind == "key" or self.reference is None
        droppable = kind == "droppable" and not keyframe
        rtp = (0xFFFF_F000 + 3000 * number) & 0xFFFFFFFF
        parts = [f"{number}.{index};".encode() for index in range(count)]
        refers = None if keyframe else self.reference
        self.frames[rtp] = Sent(number, keyframe, refers, b"".join(parts), rtp)
        if not droppable:
            self.reference = number
        for index, part in enumerate(parts):
            first = index == 0
            media = Payload(
                part,
                starts=first,
                first=first,
                keyframe=first and keyframe,
                delta=first and not keyframe,
                droppable=droppable,
            )
            packet = Wired(self.sequence, rtp, index == count - 1, media)
            self.history[self.sequence] = packet
            self.sequence = (self.sequence + 1) & 0xFFFF
            if fates[index] in ("comes", "comes twice"):
                self._put(packet)
                self.now_ms += 0.5
            if fates[index] in ("comes late", "comes twice"):
                self.late.append(packet)

    @precondition(lambda self: self.late)
    @rule(at=st.integers(0, 1 << 16), count=st.integers(1, 6))
    def arrive(self, at: int, count: int) -> None:
        """Some of what is late, in any order."""
        for _ in range(min(count, len(self.late))):
            self._put(self.late.pop(at % len(self.late)))

    @precondition(lambda self: self.asked)
    @rule(count=st.integers(1, 12))
    def answer(self, count: int) -> None:
        """What was asked for comes, and all that is due before."""
        asked, self.asked = self.asked[:count], self.asked[count:]
        for sequence in asked:
            if sequence in self.history:
                self._put(self.history[sequence])

    @rule(sequence=st.integers(0, 0xFFFF), kind=st.sampled_from(["nonsense", "padding"]))
    def stray(self, sequence: int, kind: str) -> None:
        """A number far from all others, once: it must not be taken for the stream's."""
        ahead = (sequence - self.sequence) & 0xFFFF
        assume(2 * MAX_JUMP < ahead < 0x10000 - 2 * MAX_JUMP)
        damaged = kind == "nonsense"
        self._take(self.buffer.add(sequence, 1, False, None, self.now_ms, damaged=damaged))

    @precondition(lambda self: len(self.frames) % 8 == 7)  # now and then
    @rule(jump=st.integers(3000, 0xFFFF - 3000))
    def restart(self, jump: int) -> None:
        """The sender begins anew; what was on its way is gone."""
        self.sequence = (self.sequence + jump) & 0xFFFF
        self.late.clear()
        self.history.clear()
        self.asked.clear()

    @rule(step_ms=st.sampled_from([20.0, 200.0, 600.0]) | steps_ms)
    def wait(self, step_ms: float) -> None:
        self.now_ms += step_ms
        self._take(self.buffer.poll(self.now_ms))

    @rule()
    def wake(self) -> None:
        wake_ms = self.buffer.wake_ms()
        if wake_ms is not None:
            assert math.isfinite(wake_ms)
            self.now_ms = max(self.now_ms, wake_ms)
            self._take(self.buffer.poll(self.now_ms))

    @precondition(lambda self: len(self.frames) % 8 == 3)
    @rule()
    def decoder_fails(self) -> None:
        self.needs_key = True
        self._take(self.buffer.require_keyframe(self.now_ms))

    def _put(self, packet: Wired) -> None:
        self._take(
            self.buffer.add(packet.sequence, packet.rtp, packet.marker, packet.media, self.now_ms)
        )

    def _take(self, output: JitterBufferOutput) -> None:
        assert len(output.nack) <= MAX_NACKS + MAX_PROBED
        assert len(set(output.nack)) == len(output.nack)
        self.asked += output.nack
        if output.keyframe:
            assert self.now_ms - self.asked_ms >= PLI_INTERVAL_MS
            self.asked_ms = self.now_ms
        for rtp in output.lost:
            self._end(rtp)
        for frame in output.frames:
            self._end(frame.rtp)
            sent = self.frames[frame.rtp]
            assert frame.data == sent.data
            assert frame.keyframe == sent.keyframe
            assert sent.number > self.last_served
            assert sent.keyframe or not self.needs_key
            assert sent.refers is None or sent.refers in self.served
            self.served.add(sent.number)
            self.last_served = sent.number
            self.needs_key = False

    def _end(self, rtp: int) -> None:
        """Every frame in one count; a stray packet (rtp 1) may be lost as often as it comes."""
        assert rtp == 1 or rtp not in self.ended
        self.ended.add(rtp)

    @invariant()
    def bounded(self) -> None:
        buffer = self.buffer
        count, size = buffer.size
        assert 0 <= count <= MAX_PACKETS
        assert 0 <= size <= MAX_BYTES
        assert len(buffer._frames) <= MAX_FRAMES
        assert len(buffer._assemblies.finished) <= MAX_FRAMES
        assert len(buffer.nacks) <= MAX_JUMP


AnyWay.TestCase.settings = settings(max_examples=100, stateful_step_count=50)
TestAnyWay = AnyWay.TestCase


@pytest.mark.parametrize("seed", range(2))
def test_thousands_of_random_packets_leave_the_buffer_bounded(seed: int) -> None:
    rng = random.Random(seed)
    buffer, at_ms, number = JitterBuffer(60.0, 30.0), 0.0, 0
    medias = [depacketize("vp8", data) for data in (VP8_KEY, VP8_DELTA, b"\x00" + bytes(900))]
    asked_ms: list[float] = []
    for _ in range(4000):
        at_ms += rng.choice([0.0, 0.1, 0.1, 5.0, 60.0, -3.0])
        number += rng.choice([1, 1, 1, 1, 2, 12, -1, -5, 300])
        sequence = rng.randrange(0x10000) if rng.random() < 0.01 else number & 0xFFFF
        rtp = (number // 7 * 3000) & 0xFFFFFFFF
        marker = number % 7 == 6
        output = buffer.add(sequence, rtp, marker, rng.choice(medias), at_ms)
        late = buffer.poll(at_ms + rng.choice([0.0, 40.0]))
        assert max(len(output.nack), len(late.nack)) <= MAX_NACKS + MAX_PROBED
        asked_ms += [at_ms] * (output.keyframe + late.keyframe)
        count, size = buffer.size
        assert count <= MAX_PACKETS
        assert size <= MAX_BYTES
        assert len(buffer._frames) <= MAX_FRAMES
        assert len(buffer._owners) <= MAX_PACKETS
        assert len(buffer.nacks) <= MAX_JUMP
        assert len(buffer.nacks._due) <= 4 * MAX_JUMP + 128
        assert len(buffer.nacks._numbers) == len(buffer.nacks)
    assert len(asked_ms) < at_ms / PLI_INTERVAL_MS * 1.5 + 2


# -- rate, reports, feedback, clock, cap ---------------------------------------------------------

frame_packets = st.tuples(
    st.sampled_from(
        ["packet", "packet", "packet", "tick", "restored", "counts", "capped", "restart"]
    ),
    st.integers(0, 6) | st.integers(0, 0xFFFFFFFF),  # rtp
    st.integers(0, 1500),  # size
    st.booleans(),  # marker
    st.none() | st.integers(0, 0xFFFFFF),  # abs-send-time
    steps_ms,
)


@settings(max_examples=100)
@given(st.lists(frame_packets, max_size=120))
def test_any_trains_into_the_rate_estimate(
    script: list[tuple[str, int, int, bool, int | None, float]],
) -> None:
    rate, at_ms = BandwidthEstimator(), 1e6
    for what, rtp, size, marker, send_time, step_ms in script:
        at_ms += step_ms
        if what == "packet":
            rate.observe(rtp, size, marker, at_ms, send_time)
        elif what == "tick":
            rate.tick(at_ms)
        elif what == "restored":
            rate.observe_retransmission(rtp, at_ms)
        elif what == "counts":
            rate.observe_counts(rtp, size, at_ms)
        elif what == "capped":
            rate.set_cap(1e5 + rtp, at_ms)
        else:
            rate.restart()
        rate.detect_step(at_ms)
        _rate_is_bounded(rate, at_ms)


def _rate_is_bounded(rate: BandwidthEstimator, at_ms: float) -> None:
    capacity_bps = rate.capacity_bps
    assert capacity_bps is None or 0.0 <= capacity_bps <= MAX_CAPACITY_BPS
    assert 0.0 <= rate.queue_ms <= 10_000.0
    assert 0.0 <= rate.loss <= 1.0
    assert MIN_REMB_BPS <= rate.remb.bps(at_ms) <= MAX_REMB_BPS
    due_bps = rate.remb.due(at_ms)
    assert due_bps is None or MIN_REMB_BPS <= due_bps <= MAX_REMB_BPS
    assert math.isfinite(rate.throughput_bps(at_ms))
    frame_bits = rate.frame_bits(at_ms)
    assert frame_bits is None or 0.0 <= frame_bits < math.inf
    network_ms = rate.network_ms(0.5)
    assert network_ms is None or (math.isfinite(network_ms) and network_ms >= 0.0)


@pytest.mark.parametrize("seed", range(2))
def test_thousands_of_frames_leave_the_rate_estimate_bounded(seed: int) -> None:
    rng = random.Random(seed)
    rate, at_ms, rtp = BandwidthEstimator(), 0.0, 0
    for index in range(3000):
        if rng.random() < 0.15:
            rtp = (rtp + rng.choice([3000, 6000, 90_000, -6000])) & 0xFFFFFFFF
        at_ms += rng.choice([0.0, 0.1, 1.0, 30.0, 2000.0, -5.0])
        sent = rng.choice([None, int(at_ms * 262.144) & 0xFFFFFF, rng.randrange(1 << 24)])
        rate.observe(rtp, rng.randrange(1500), rng.random() < 0.15, at_ms, sent)
        rate.tick(at_ms + rng.choice([0.0, 300.0]))
        rate.observe_counts(index, rng.randrange(100), at_ms)
        _rate_is_bounded(rate, at_ms)
    windows = (rate._network_ms, rate._received, rate._encoder._made, rate._losses._totals)
    assert max(len(each) for each in windows) <= 128


@given(
    st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF), steps_ms), max_size=80)
)
def test_any_arrivals_into_receiver_reports(script: list[tuple[int, int, float]]) -> None:
    reception, at_ms = ReceptionStats(), 0.0
    for sequence, rtp, step_ms in script:
        at_ms += step_ms
        reception.add(sequence, rtp, at_ms)
        block = reception.report(7, 0, step_ms)
        assert block is not None
        assert 0.0 <= block.fraction_lost <= 1.0
        assert stock.RtcpPacket.parse(edge_rtp.receiver_report(1, [block]))


@given(
    st.lists(
        st.tuples(st.integers(0, 50) | st.integers(0, 0xFFFF), steps_ms, st.booleans()), max_size=80
    )
)
def test_any_arrivals_into_transport_wide_feedback(script: list[tuple[int, float, bool]]) -> None:
    arrivals, at_ms = PacketArrivals(), 0.0
    for number, step_ms, is_due in script:
        at_ms += step_ms
        arrivals.add(number, at_ms)
        assert len(arrivals._arrived) <= 1000
        if is_due:
            data = arrivals.feedback(1, 7)
            if data is not None:
                assert len(data) <= 2200
                feedback = parse(data)
                assert feedback is not None
                assert feedback.arrivals_ms[-1] is not None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["arrival", "capture", "report", "ping", "offset"]),
            st.integers(0, 0xFFFFFFFF),
            st.integers(0, (1 << 64) - 1),
            steps_ms,
        ),
        max_size=60,
    )
)
def test_any_times_into_the_capture_clock(script: list[tuple[str, int, int, float]]) -> None:
    clock, at_ms = CaptureClock(), 1e6
    for what, rtp, ntp, step_ms in script:
        at_ms += step_ms
        if what == "arrival":
            clock.observe_arrival(rtp, at_ms)
        elif what == "capture":
            clock.observe_capture(rtp, ntp, at_ms)
        elif what == "report":
            clock.observe_report(rtp, ntp, at_ms)
        elif what == "ping":
            clock.observe_ping(float(rtp), at_ms)
        else:
            clock.set_offset(float(ntp), float(rtp % 6000))
        captured_ms, _ = clock.captured_ms(rtp, at_ms)
        assert at_ms - 5000.0 <= captured_ms <= at_ms


links = st.builds(
    LinkMeasurements,
    capacity_bps=st.none() | st.floats(0.0, MAX_CAPACITY_BPS),
    available_bps=st.none() | st.floats(0.0, 1e9),
    queue_ms=st.floats(0.0, 10_000.0),
    loss=st.floats(0.0, 1.0),
    network_ms=st.none() | st.floats(0.0, 1e4),
) | st.builds(LinkMeasurements, capacity_bps=st.just(math.inf))


@given(
    st.floats(1e3, 5e7),
    st.floats(1e5, 5e7),
    st.lists(
        st.tuples(links, st.floats(1.0, 1e3), st.floats(1.0, 60.0), st.floats(0.0, 1e8), steps_ms),
        max_size=60,
    ),
)
def test_any_link_into_the_encoders_cap(
    start_bps: float,
    max_bps: float,
    script: list[tuple[LinkMeasurements, float, float, float, float]],
) -> None:
    cap, at_ms = BitrateController(max(start_bps, MIN_BPS), max_bps), 1e6
    for link, crossing_ms, fps, useful_bps, step_ms in script:
        at_ms += step_ms
        allowed_bps = cap.observe(link, crossing_ms, fps, at_ms, 100.0)
        assert MIN_BPS <= allowed_bps <= max_bps
        decided = cap.decide(useful_bps, at_ms)
        assert decided is None or MIN_BPS <= decided.bps <= max_bps
        assert cap.bps is not None


def test_a_long_time_leaves_the_encoders_cap_bounded() -> None:
    rng = random.Random(1)
    cap = BitrateController(1.5e6, 4e6)
    for at_ms in itertools.accumulate(rng.choice([1.0, 20.0, 200.0]) for _ in range(5000)):
        link = LinkMeasurements(
            capacity_bps=10 ** rng.uniform(4, 8), queue_ms=rng.choice([0.0, 0.0, 30.0, 500.0])
        )
        cap.observe(link, 36.0, 15.0, at_ms)
        cap.decide(4e6, at_ms)
        assert len(cap._allowed) <= 8000
