"""The jitter buffer on real streams, with loss as patterns; and on nonsense."""

from __future__ import annotations

import itertools
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.rtc.jitter.assemblies import MAX_FRAMES, MAX_PACKETS
from edge.rtc.jitter.depacketizer import Payload, depacketize
from edge.rtc.jitter.frames import EncodedFrame, JitterBufferOutput
from edge.rtc.jitter.jitter_buffer import JitterBuffer
from edge.rtc.jitter.loss_recovery import PLI_INTERVAL_MS
from edge.rtc.jitter.nack import FIRST_REQUESTS, MAX_NACKS
from edge.rtc.jitter.sequence_restart import MAX_JUMP
from tests.rtc.streams import FRAME_MS, PER_FRAME, Encoded, Packet, encode, packetise

RTT_MS = 30.0


@dataclass
class Run:
    """A stream played into a buffer by a sender that answers (or ignores) what is asked."""

    buffer: JitterBuffer = field(default_factory=lambda: JitterBuffer(60.0, RTT_MS))
    now_ms: float = 0.0
    served: list[EncodedFrame] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    nacked: list[tuple[float, int]] = field(default_factory=list)
    keyframes_asked_ms: list[float] = field(default_factory=list)
    pending: list[tuple[float, Packet]] = field(default_factory=list)
    sent: dict[int, Packet] = field(default_factory=dict)
    answer: Callable[[Packet, int], bool] = lambda packet, attempt: True

    def take(self, output: JitterBufferOutput) -> None:
        self.served += output.frames
        self.lost += output.lost
        if output.keyframe:
            self.keyframes_asked_ms.append(self.now_ms)
        for sequence in output.nack:
            self.nacked.append((self.now_ms, sequence))
            attempt = sum(number == sequence for _, number in self.nacked)
            packet = self.sent.get(sequence)
            if packet is not None and self.answer(packet, attempt):
                self.pending.append((self.now_ms + RTT_MS, packet))

    def put(self, packet: Packet) -> None:
        self.take(
            self.buffer.add(packet.sequence, packet.rtp, packet.marker, packet.media, self.now_ms)
        )

    def until(self, end_ms: float) -> None:
        """Let time pass: timers fire and retransmissions come in."""
        while True:
            self.pending.sort(key=lambda item: item[0])
            wake_ms = self.buffer.wake_ms()
            arrival_ms = self.pending[0][0] if self.pending else float("inf")
            next_ms = min(arrival_ms, wake_ms if wake_ms is not None else float("inf"))
            if next_ms > end_ms:
                break
            self.now_ms = max(self.now_ms, next_ms)
            if arrival_ms <= next_ms:
                self.put(self.pending.pop(0)[1])
            else:
                before = wake_ms
                self.take(self.buffer.poll(self.now_ms))
                assert self.buffer.wake_ms() != before, "a timer that has nothing to do"
        self.now_ms = max(self.now_ms, end_ms)

    def play(self, stream: Iterable[list[Packet]], drop: Callable[[Packet], bool]) -> Run:
        """One frame every FRAME_MS, its packets 0.5 ms apart."""
        for packets in stream:
            start_ms = self.now_ms
            for packet in packets:
                self.sent[packet.sequence] = packet
                if not drop(packet):
                    self.put(packet)
                self.until(self.now_ms + 0.5)
            self.until(start_ms + FRAME_MS)
        self.until(self.now_ms + 500.0)
        return self


def _nothing(packet: Packet) -> bool:
    return False


def _losing(sequences: set[int]) -> Callable[[Packet], bool]:
    return lambda packet: packet.sequence in sequences


@pytest.mark.parametrize("codec", ["vp8", "h264", "vp9"])
def test_every_frame_is_served_whole_with_its_last_packet(codec: str) -> None:
    frames = encode(codec, 8)
    stream = packetise(codec, frames)
    run = Run()
    for packets in stream:
        for packet in packets[:-1]:
            run.put(packet)
        assert not run.served or run.served[-1].rtp != packets[0].rtp
        run.put(packets[-1])
        assert run.served[-1].rtp == packets[0].rtp
        run.now_ms += FRAME_MS
    assert [frame.keyframe for frame in run.served] == [frame.keyframe for frame in frames]
    if codec == "vp8":
        assert [frame.data for frame in run.served] == [frame.data for frame in frames]
    assert not run.lost
    assert not run.nacked
    assert run.buffer.size == (0, 0)


def test_times_and_sizes_of_a_frame() -> None:
    (packets,) = packetise("vp8", encode("vp8", 1))
    run = Run()
    for index, packet in enumerate(packets):
        run.now_ms = 10.0 + index
        run.put(packet)
    (frame,) = run.served
    assert (frame.first_packet_ms, frame.received_ms) == (10.0, 9.0 + len(packets))
    assert (frame.width, frame.height) == (160, 120)


@pytest.mark.parametrize("codec", ["vp8", "h264", "vp9"])
@pytest.mark.parametrize("shuffle", range(5))
def test_order_within_a_frame_does_not_matter(codec: str, shuffle: int) -> None:
    frames = encode(codec, 8)
    head, *stream = packetise(codec, frames, sequence=65530, rtp=0xFFFFFFFF - 2 * PER_FRAME)
    order = random.Random(shuffle)
    run = Run()
    for packet in head:
        run.put(packet)
    for packets in stream:
        mixed = [*packets, packets[0]]  # and one twice
        order.shuffle(mixed)
        for packet in mixed:
            run.put(packet)
    assert [frame.rtp for frame in run.served] == [packets[0].rtp for packets in (head, *stream)]
    assert not run.lost
    counts = run.buffer.counts
    assert counts.duplicates + counts.late == len(stream)


def test_sequence_and_timestamp_wrap() -> None:
    stream = packetise("vp8", encode("vp8", 40), sequence=65500, rtp=0xFFFFFFFF - 5 * PER_FRAME)
    run = Run().play(stream, _nothing)
    assert len(run.served) == 40
    assert run.buffer.counts.resets == 0


@pytest.mark.parametrize("codec", ["vp8", "h264", "vp9"])
@pytest.mark.parametrize("which", ["first", "middle", "last", "all"])
def test_a_packet_that_a_nack_recovers_is_not_lost(codec: str, which: str) -> None:
    stream = packetise(codec, encode(codec, 8))
    victim = stream[3]
    gone = {
        "first": victim[:1],
        "middle": victim[1:-1],
        "last": victim[-1:],
        "all": victim,
    }[which]
    run = Run().play(stream, _losing({packet.sequence for packet in gone}))
    assert [frame.rtp for frame in run.served] == [packets[0].rtp for packets in stream]
    assert not run.lost
    assert not run.keyframes_asked_ms
    assert {sequence for _, sequence in run.nacked} >= {packet.sequence for packet in gone}


def test_missing_requested_and_recovered_packets_are_counted() -> None:
    stream = packetise("vp8", encode("vp8", 4), size=60)
    flat = [packet.sequence for packets in stream for packet in packets]
    run = Run(answer=lambda packet, attempt: packet.sequence == flat[1] or attempt > 1)
    run.play(stream, _losing({flat[1], flat[2]}))
    counts = run.buffer.counts
    assert (counts.missed, counts.nacked, counts.recovered) == (2, 3, 2)
    assert (counts.frames, counts.frames_lost) == (4, 0)


def test_a_lost_tail_is_asked_for_before_the_next_frame_shows_it() -> None:
    stream = packetise("vp8", encode("vp8", 3))
    last = stream[1][-1]
    run = Run().play(stream, _losing({last.sequence}))
    asked_ms = next(at_ms for at_ms, sequence in run.nacked if sequence == last.sequence)
    assert asked_ms < 2 * FRAME_MS
    assert run.served[1].received_ms < 2 * FRAME_MS + RTT_MS


def test_a_lost_retransmission_is_requested_again() -> None:
    stream = packetise("vp8", encode("vp8", 6), size=60)
    gone = stream[2][1].sequence
    run = Run(buffer=JitterBuffer(200.0, RTT_MS), answer=lambda packet, attempt: attempt >= 3)
    run.play(stream, _losing({gone}))
    times = [at_ms for at_ms, sequence in run.nacked if sequence == gone]
    assert len(times) == 3
    assert all(later - earlier >= RTT_MS for earlier, later in itertools.pairwise(times))
    assert len(run.served) == 6


@pytest.mark.parametrize("guess_ms", [5.0, 20.0, 200.0])
def test_the_round_trip_is_learnt_from_the_answers(guess_ms: float) -> None:
    stream = packetise("vp8", encode("vp8", 30), size=60)
    gone = {packets[1].sequence for packets in stream[2:]}
    run = Run(buffer=JitterBuffer(300.0, guess_ms)).play(stream, _losing(gone))
    assert run.buffer.nacks.rtt_ms == pytest.approx(RTT_MS, rel=0.2)
    assert len(run.served) == 30
    run.buffer.nacks.suggest_rtt(7.0)  # worth less than what was measured
    assert run.buffer.nacks.rtt_ms == pytest.approx(RTT_MS, rel=0.2)


@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_a_packet_that_cannot_arrive_in_time_is_given_up_for_a_key_frame(codec: str) -> None:
    frames = encode(codec, 20, keys=(0, 12))
    stream = packetise(codec, frames, size=60)
    gone = stream[4][1]
    assert not gone.marker
    run = Run(answer=lambda packet, attempt: False)
    run.play(stream, _losing({gone.sequence}))
    served = [frame.rtp for frame in run.served]
    rtps = [packets[0].rtp for packets in stream]
    assert served == rtps[:4] + rtps[12:]
    assert run.lost == rtps[4:12]
    assert 3 * RTT_MS <= run.keyframes_asked_ms[0] - 4 * FRAME_MS < 4 * RTT_MS + 40.0
    for earlier, later in itertools.pairwise(run.keyframes_asked_ms):
        assert later - earlier >= PLI_INTERVAL_MS
    assert sum(sequence == gone.sequence for _, sequence in run.nacked) == 3


def test_a_whole_key_frame_waits_for_nothing() -> None:
    stream = packetise("vp8", encode("vp8", 8, keys=(0, 4)))
    run = Run(answer=lambda packet, attempt: False)
    run.play(stream[:4], _losing({stream[3][0].sequence}))
    run = Run(answer=lambda packet, attempt: False)
    for packets in stream[:3]:
        for packet in packets:
            run.put(packet)
    for packet in stream[3][1:] + stream[4]:
        run.put(packet)
    assert run.served[-1].rtp == stream[4][0].rtp
    assert run.lost == [stream[3][0].rtp]


def test_a_frame_that_nothing_refers_to_costs_only_itself() -> None:
    stream = packetise("vp8", encode("vp8", 6), size=60)
    spare = stream[2]
    marked = [
        Packet(p.sequence, p.rtp, p.marker, bytes([p.payload[0] | 0x20]) + p.payload[1:])
        for p in spare
    ]
    run = Run(answer=lambda packet, attempt: False)
    run.play([*stream[:2], marked, *stream[3:]], _losing({spare[1].sequence}))
    assert run.lost == [spare[0].rtp]
    assert len(run.served) == 5
    assert not run.keyframes_asked_ms


@pytest.mark.parametrize("late", [False, True])
def test_frames_after_a_lost_key_frame_are_kept_for_it(late: bool) -> None:
    stream = packetise("vp8", encode("vp8", 8, keys=(0, 4)), size=60)
    key = stream[4]
    gone = {stream[2][0].sequence, *(packet.sequence for packet in key)}
    run = Run(answer=lambda packet, attempt: packet in key and attempt > late)
    run.play(stream, _losing(gone))
    rtps = [packets[0].rtp for packets in stream]
    assert [frame.rtp for frame in run.served] == [*rtps[:2], *rtps[4:]]
    assert sorted(run.lost) == rtps[2:4]


def test_joining_in_the_middle_requests_a_key_frame() -> None:
    stream = packetise("vp8", encode("vp8", 10, keys=(0, 6)), size=60)
    run = Run().play([stream[2][1:], *stream[3:]], _nothing)
    assert [frame.rtp for frame in run.served] == [packets[0].rtp for packets in stream[6:]]
    assert run.lost == [packets[0].rtp for packets in stream[2:6]]
    assert run.keyframes_asked_ms[0] == 0.0


def test_no_key_frame_is_requested_while_one_arrives() -> None:
    stream = packetise("vp8", encode("vp8", 2), size=50)
    assert len(stream[0]) > 20
    run = Run()
    for packet in stream[0][:-1]:
        run.put(packet)
        run.until(run.now_ms + 20.0)
    assert not run.keyframes_asked_ms


def test_the_decoder_can_demand_a_key_frame() -> None:
    stream = packetise("vp8", encode("vp8", 8, keys=(0, 5)))
    run = Run().play(stream[:3], _nothing)
    run.take(run.buffer.require_keyframe(run.now_ms))
    asked = len(run.keyframes_asked_ms)
    run.play(stream[3:], _nothing)
    assert [frame.rtp for frame in run.served[3:]] == [packets[0].rtp for packets in stream[5:]]
    assert asked + len(run.keyframes_asked_ms) >= 1


def test_padding_neither_stalls_nor_makes_frames() -> None:
    stream = packetise("vp8", encode("vp8", 6))
    run = Run()
    shift = 0
    for packets in stream:
        for packet in packets:
            run.put(Packet(packet.sequence + shift, packet.rtp, packet.marker, packet.payload))
        for _ in range(3):  # probing: the last timestamp, no payload
            shift += 1
            last = packets[-1]
            run.put(Packet(last.sequence + shift, last.rtp, False, b""))
        run.until(run.now_ms + FRAME_MS)
    assert len(run.served) == 6
    assert not run.lost
    assert run.buffer.size == (0, 0)


def test_frames_without_markers_end_where_the_next_begins() -> None:
    stream = packetise("vp8", encode("vp8", 5))
    run = Run(answer=lambda packet, attempt: False)
    for packets in stream:
        for packet in packets:
            run.put(Packet(packet.sequence, packet.rtp, False, packet.payload))
    assert [frame.rtp for frame in run.served] == [packets[0].rtp for packets in stream[:-1]]


def test_a_damaged_packet_is_never_served() -> None:
    stream = packetise("vp8", encode("vp8", 6, keys=(0, 4)))
    run = Run()
    for index, packets in enumerate(stream):
        for packet in packets:
            broken = index == 2 and packet is packets[-1]
            media = None if broken else packet.media
            run.take(
                run.buffer.add(
                    packet.sequence, packet.rtp, packet.marker, media, run.now_ms, damaged=broken
                )
            )
    rtps = [packets[0].rtp for packets in stream]
    assert [frame.rtp for frame in run.served] == [*rtps[:2], *rtps[4:]]
    assert run.lost == rtps[2:4]


def test_a_sender_that_starts_over_is_followed() -> None:
    frames = encode("vp8", 8)
    first = packetise("vp8", frames[:4], sequence=100)
    again = packetise("vp8", frames, sequence=30000, rtp=5_000_000)
    run = Run().play([*first, *again], _nothing)
    # Its first packet far away may be a stray; it is kept until the second settles it.
    assert run.buffer.counts.resets == 1
    assert not run.lost
    assert [frame.rtp for frame in run.served] == [packets[0].rtp for packets in [*first, *again]]


def test_a_stray_packet_far_away_changes_nothing() -> None:
    stream = packetise("vp8", encode("vp8", 6))
    run = Run()
    for packets in stream:
        for packet in packets:
            run.put(packet)
        stray = Packet(packets[0].sequence + 20000, 1, True, b"\x10\x01x")
        run.put(stray)
    assert len(run.served) == 6
    assert run.buffer.counts.resets == 0


def test_a_silent_stream_is_not_asked_for_key_frames_endlessly() -> None:
    stream = packetise("vp8", encode("vp8", 4))
    run = Run().play([stream[2]], _nothing)
    run.until(run.now_ms + 60_000.0)
    assert 1 <= len(run.keyframes_asked_ms) <= 1000.0 / PLI_INTERVAL_MS + 1


def test_a_late_timer_in_silence_does_not_wake_for_ever() -> None:
    (head, following, *_) = packetise("vp8", encode("vp8", 2), size=60)
    run = Run()
    for packet in head:
        run.put(packet)
    run.put(following[-1])  # the rest of its frame never comes, and the loop is delayed
    run.now_ms = 3000.0
    run.take(run.buffer.poll(run.now_ms))
    assert run.lost == [following[0].rtp]
    wake_ms = run.buffer.wake_ms()
    assert wake_ms is None or wake_ms > run.now_ms
    assert len(run.keyframes_asked_ms) == 1


def test_an_invented_gap_draws_few_requests_from_a_young_stream() -> None:
    stream = packetise("vp8", encode("vp8", 1))
    run = Run()
    for packet in stream[0]:
        run.put(packet)
    far = stream[0][-1].sequence + MAX_JUMP - 1
    output = run.buffer.add(far, 9, True, None, run.now_ms, damaged=True)
    assert len(output.nack) == FIRST_REQUESTS + len(stream[0]) + 1 <= MAX_NACKS


def test_the_buffer_is_bounded() -> None:
    run = Run(answer=lambda packet, attempt: False)
    (head, *_) = packetise("vp8", encode("vp8", 1))
    for packet in head:
        run.put(packet)
    sequence = head[-1].sequence + 2  # one missing, and no timer ever fires
    media = Payload(b"x" * 1000, False, False, False, False)
    for index in range(3 * MAX_PACKETS):
        number = (sequence + index) & 0xFFFF
        run.take(run.buffer.add(number, 77, False, media, run.now_ms))
        packets, size = run.buffer.size
        assert packets <= MAX_PACKETS
        assert size <= 1000 * MAX_PACKETS
    assert run.lost == [77]
    assert run.buffer.counts.resets >= 1


def _references_hold(stream: list[list[Packet]], run: Run) -> None:
    """Frames came once, in order, and none whose reference was lost."""
    rtps = [packets[0].rtp for packets in stream]
    served = [frame.rtp for frame in run.served]
    assert served == sorted(served, key=rtps.index)
    assert not set(served) & set(run.lost)
    assert len(set(served)) == len(served)
    assert len(set(run.lost)) == len(run.lost)
    decodable = -1  # the frame that may come next, other than a key frame
    for frame in run.served:
        index = rtps.index(frame.rtp)
        assert frame.keyframe or index == decodable, "a frame whose reference was lost"
        decodable = index + 1


@settings(max_examples=60)
@given(
    losses=st.lists(st.booleans(), min_size=1, max_size=200),
    answers=st.lists(st.booleans(), min_size=1, max_size=20),
    codec=st.sampled_from(["vp8", "h264", "vp9"]),
)
@example(losses=[True] * 6 + [False] * 2, answers=[True], codec="vp8")
def test_any_loss_leaves_whole_frames_in_order_and_every_frame_in_one_count(
    losses: list[bool], answers: list[bool], codec: str
) -> None:
    frames = encode(codec, 30, keys=(0, 10, 20))
    stream = packetise(codec, frames)
    flat = [packet for packets in stream for packet in packets]
    gone = {p.sequence for index, p in enumerate(flat) if losses[index % len(losses)]}
    run = Run(answer=lambda packet, attempt: answers[packet.sequence % len(answers)])
    run.play(stream, _losing(gone))
    _references_hold(stream, run)
    whole = {
        packets[0].rtp: _joined(frame, codec) for packets, frame in zip(stream, frames, strict=True)
    }
    for served in run.served:
        assert served.data == whole[served.rtp]  # never a damaged one


@pytest.mark.parametrize("codec", ["vp8", "h264", "vp9"])
@pytest.mark.parametrize("size", [60, 120, 400])
def test_bursts_of_loss_break_no_reference(codec: str, size: int) -> None:
    stream = packetise(codec, encode(codec, 30, keys=(0, 10, 20)), size=size)
    flat = [packet for packets in stream for packet in packets]
    for seed in range(60):
        rng = random.Random(seed)
        share, burst, answered = rng.uniform(0.05, 0.8), rng.randint(1, 8), rng.uniform(0.2, 1.0)
        losses: list[bool] = []
        while len(losses) < len(flat):
            losses += [rng.random() < share] * rng.randint(1, burst)
        gone = {packet.sequence for packet, lost in zip(flat, losses, strict=False) if lost}
        run = Run(answer=lambda packet, attempt: rng.random() < answered)  # noqa: B023
        run.play(stream, _losing(gone))
        _references_hold(stream, run)


def _joined(frame: Encoded, codec: str) -> bytes:
    (packets,) = packetise(codec, [frame])
    return b"".join(packet.media.data for packet in packets if packet.media)


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 0xFFFF) | st.integers(0, 40),
            st.integers(0, 4),
            st.booleans(),
            st.sampled_from(
                [None, b"\x10\x01d", b"\x10\x00\x00\x00\x9d\x01\x2a\x10\x00\x10\x00", b"\x00m", b""]
            ),
            st.floats(0, 100),
        ),
        max_size=300,
    )
)
def test_no_packets_in_any_order_make_it_raise(
    script: list[tuple[int, int, bool, bytes | None, float]],
) -> None:
    buffer = JitterBuffer(20.0, 10.0)
    now_ms = 0.0
    sent: set[int] = set()
    ended: list[int] = []
    for sequence, rtp, marker, payload, step_ms in script:
        now_ms += step_ms
        packet = Packet(sequence, rtp, marker, payload or b"")
        output = buffer.add(sequence, rtp, marker, packet.media, now_ms, damaged=payload is None)
        sent.add(rtp)
        ended += output.lost + [frame.rtp for frame in output.frames]
        wake_ms = buffer.wake_ms()
        if wake_ms is not None and step_ms > 50:
            now_ms = max(now_ms, wake_ms)
            output = buffer.poll(now_ms)
            ended += output.lost + [frame.rtp for frame in output.frames]
        packets, size = buffer.size
        assert packets <= MAX_PACKETS
        assert size >= 0
    assert set(ended) <= sent
    begun = Counter(rtp for _, rtp, _, payload, _ in script if payload != b"")
    assert Counter(ended) <= begun  # several frames may have one timestamp


def _work(call: Callable[[], object]) -> int:
    """Lines and calls that Python goes through: the same on any machine."""
    count = 0

    def trace(*_: object) -> Any:
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


_KEY = Payload(b"x", True, True, True, False)
_REST = Payload(b"x", False, False, False, False)


@pytest.mark.parametrize("frames", ["many", "one"])
def test_a_packet_costs_the_same_however_many_are_missing(frames: str) -> None:
    buffer = JitterBuffer(3000.0, 1000.0)  # nothing is asked for twice meanwhile
    ended: list[int] = []
    dearest = 0
    for index in range(900):  # every second packet never comes
        first = index == 0 if frames == "one" else index % 2 == 0
        rtp = 1 if frames == "one" else 1 + index // 2
        marker = frames == "many" and index % 2 == 1

        def add(
            index: int = index, rtp: int = rtp, marker: bool = marker, first: bool = first
        ) -> None:
            output = buffer.add(2 * index, rtp, marker, _KEY if first else _REST, index / 10)
            ended.extend(output.lost)

        work = _work(add)
        dearest = max(dearest, work)
    assert dearest < 5000
    if frames == "many":
        assert buffer.size[0] <= 2 * MAX_FRAMES
        assert ended == list(range(1, 451 - MAX_FRAMES))  # the oldest first, each once


@pytest.mark.parametrize("held", [False, True])
def test_a_picture_that_goes_on_under_ever_new_timestamps_costs_no_more(held: bool) -> None:
    buffer = JitterBuffer(60.0, 20.0)
    begun = depacketize("vp8", b"\x10\x01\x02\x03")  # no key frame: given up at once, or held
    rest = depacketize("vp8", b"\x00\x01")
    if held:
        key = depacketize("vp8", b"\x10\x00\x00\x00\x9d\x01\x2a\x10\x00\x10\x00")
        buffer.add(99, 1, True, key, 0.0)
    buffer.add(100, 2, False, begun, 0.0)
    dearest = 0
    ended: Counter[int] = Counter()
    for index in range(3000):

        def add(index: int = index) -> None:
            media = begun if index % 1000 == 999 else rest
            output = buffer.add((101 + index) & 0xFFFF, 3 + index, False, media, 0.01 * index)
            ended.update(output.lost)

        dearest = max(dearest, _work(add))
        assert len(buffer._assemblies.finished) <= MAX_FRAMES
        assert all(
            len(frame.aliases) <= MAX_FRAMES for frame in buffer._assemblies.finished.values()
        )
    assert dearest < 5000
    assert max(ended.values()) == 1


def _ended(run: Run) -> Counter[int]:
    return Counter([frame.rtp for frame in run.served] + run.lost)


@pytest.mark.parametrize("sequence", [1, 50, 97, 105, 60_000])
def test_another_source_resets_the_numbers_and_every_frame_ends_once(sequence: int) -> None:
    frames = encode("vp8", 12, keys=(0, 6))
    first = packetise("vp8", frames[:6], sequence=100)
    second = packetise("vp8", frames[6:], sequence=sequence)  # even the timestamps are the same
    run = Run().play(first, _nothing)
    run.put(Packet(first[-1][-1].sequence + 1, 90_000, False, first[1][0].payload))
    run.take(run.buffer.restart(run.now_ms))
    assert run.lost == [90_000]  # what had begun is given up
    run.sent.clear()  # nobody retransmits the first source's packets for the second
    run.play(second, _nothing)
    assert [frame.rtp for frame in run.served] == [each[0].rtp for each in (*first, *second)]


@pytest.mark.parametrize("back", [1, 2, 20, 400, 900, 5000])
@pytest.mark.parametrize("rtp", [10_000_000, -500_500])
def test_a_sender_whose_numbers_go_back_is_followed(back: int, rtp: int) -> None:
    frames = encode("vp8", 80, keys=(0, 40))
    first = packetise("vp8", frames[:40], sequence=1000, size=100)
    sequence = (first[-1][-1].sequence + 1 - back) & 0xFFFF
    again = packetise("vp8", frames[40:], sequence=sequence, rtp=rtp & 0xFFFFFFFF, size=100)
    run = Run().play([*first, *again], _nothing)
    assert max(_ended(run).values()) == 1
    silent = [each[0].rtp for each in again if each[0].rtp not in _ended(run)]
    assert len(silent) <= 7  # half a second: how many packets a frame has depends on the encoder
    if rtp > 0 and back > 2:  # later timestamps: it is certain with the second packet
        assert not silent
        assert len(run.served) == 80


@pytest.mark.parametrize("codec", ["vp8", "h264", "vp9"])
def test_timestamps_that_step_back_onto_those_of_others_cost_no_frame(codec: str) -> None:
    frames = encode(codec, 60)
    first = packetise(codec, frames[:30], sequence=100)
    rtp = first[10][0].rtp
    sequence = first[-1][-1].sequence + 1
    run = Run().play([*first, *packetise(codec, frames[30:], sequence=sequence, rtp=rtp)], _nothing)
    assert len(run.served) == 60
    assert not run.lost


@pytest.mark.parametrize("share", [1, 2, 1000])
def test_frames_with_the_timestamp_of_another_are_frames(share: int) -> None:
    stream = packetise("vp8", encode("vp8", 12))
    shared = [
        [Packet(each.sequence, index // share, each.marker, each.payload) for each in packets]
        for index, packets in enumerate(stream)
    ]
    run = Run().play(shared, _nothing)
    assert [frame.rtp for frame in run.served] == [index // share for index in range(12)]
    assert not run.lost
