"""Whatever kinds of packets come in whatever order: the buffer's loops end, and so do its frames,
each at most once."""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from edge.rtc.jitter.assemblies import MAX_FRAMES
from edge.rtc.jitter.depacketizer import depacketize
from edge.rtc.jitter.frames import JitterBufferOutput
from edge.rtc.jitter.jitter_buffer import JitterBuffer

_MAX_CALLS = 50_000  # of Python functions, for one packet or one poll

IDR = b"\x65\x88\x80\x00\x00"
SLICE = b"\x41\x9a\x80\x00\x00"
PARTITION_A = b"\x42\x9a\x80"
SEI = b"\x06\x06\x01\x80\x80"  # a recovery point
SPS = b"\x67\x42\xe0\x1f\xda"
PPS = b"\x68\xce\x3c\x80"
FILLER = b"\x0c\xff\x80"

# All single units, some of each kind, aggregates, and fragments: first, middle, last, and empty.
H264 = [
    *(bytes((kind, 0x9A, 0x80)) for kind in range(24)),
    *(bytes((0x60 | kind, 0x80)) for kind in (1, 2, 5, 7, 8, 9)),
    b"\x0a",
    b"\x0b",
    b"\x09\xf0",
    *[IDR, SLICE, PARTITION_A, SEI, SPS, PPS, FILLER] * 4,
    b"\x41\x40\x20",  # a slice in which no picture begins
    b"\x01\x9a\x80",  # a slice that no other frame refers to
    b"\x78",
    b"\x78\x00\x03\x0c\xff\x80",
    b"\x78\x00\x03\x0c\xff\x80\x00\x05" + SLICE,
    b"\x78\x00\x05" + SPS + b"\x00\x04" + PPS,
    b"\x78\x00\x05" + SEI + b"\x00\x05" + SLICE,
    b"\x78\x00\x09",  # cut short
    *(
        bytes((0x7C, flags | kind)) + body
        for kind in (1, 5, 6, 7, 12)
        for flags in (0x80, 0x00, 0x40)
        for body in (b"\x9a\x80", b"")
    ),
    b"",
    b"\x1d\x00",  # a mode that was not negotiated
]
VP8 = [
    *[b"\x10\x00\x00\x00\x9d\x01\x2a\x10\x00\x10\x00", b"\x10\x01\x02\x03", b"\x00\x01"] * 3,
    b"\x30\x01\x02",  # no other frame refers to it
    b"\x11\x01\x02",  # a later partition
    b"\x10\x00\x00",  # a key frame without its header
    b"\x80",
    b"",
]


class Bounded:
    """A jitter buffer of whose calls none may go on for ever."""

    def __init__(self, codec: str) -> None:
        self.codec = codec
        self.buffer = JitterBuffer(60.0, 20.0)
        self.ended: Counter[int] = Counter()

    def add(self, number: int, rtp: int, marker: bool, payload: bytes, at_ms: float) -> None:
        media = depacketize(self.codec, payload) if payload else None
        damaged = media is None and bool(payload)
        self._take(
            lambda: self.buffer.add(number & 0xFFFF, rtp, marker, media, at_ms, damaged=damaged)
        )

    def poll(self, at_ms: float) -> None:
        self._take(lambda: self.buffer.poll(at_ms))

    def _take(self, call: Callable[[], JitterBufferOutput]) -> None:
        calls = 0

        def count(*_: Any) -> None:
            nonlocal calls
            calls += 1
            assert calls < _MAX_CALLS, "it goes on for ever"

        before = sys.gettrace()
        sys.settrace(count)
        try:
            output = call()
        finally:
            sys.settrace(before)
        self.ended.update(output.lost + [frame.rtp for frame in output.frames])
        assert len(self.buffer._frames) <= MAX_FRAMES


@pytest.mark.parametrize("payload", [bytes((kind, 0xFF, 0x80)) for kind in (0, 10, 11, 12, 19, 23)])
@pytest.mark.parametrize("between", [False, True])
def test_units_without_use_under_timestamps_of_their_own(payload: bytes, between: bool) -> None:
    stream = Bounded("h264")
    number = 100
    stream.add(number, 0, True, IDR, 0.0)
    for index in range(1, 200):
        at_ms = 20.0 * index
        number += 1
        stream.add(number, 3000 * index, True, payload, at_ms)
        if between:
            number += 1
            stream.add(number, 3000 * index + 1500, True, SLICE, at_ms + 10.0)
    assert stream.buffer.size == (0, 0)
    assert not stream.buffer._frames
    pictures = {3000 * index + 1500 for index in range(1, 200)} if between else set()
    assert stream.ended == Counter({0, *pictures})


def test_only_units_without_use() -> None:
    stream = Bounded("h264")
    for index in range(1, 200):
        stream.add(index, 3000 * index, True, FILLER, 20.0 * index)
    assert not stream.buffer._frames
    assert not stream.ended


def test_a_unit_without_use_is_no_key_frame_that_others_wait_for() -> None:
    stream = Bounded("h264")
    for number, payload, marker in (
        (10, SLICE, True),
        (12, SEI, False),
        (13, FILLER, True),
        (14, SLICE, True),
    ):
        stream.add(number, 3000 * (number - 9), marker, payload, float(number))
    stream.poll(1000.0)
    stream.poll(2000.0)
    assert stream.ended[3000] == 1


@pytest.mark.parametrize("by", ["time", "frames"])
def test_a_frame_whose_last_packet_is_before_its_first(by: str) -> None:
    stream = Bounded("h264")
    stream.add(100, 0, True, IDR, 0.0)
    stream.add(102, 6000, True, FILLER, 1.0)
    stream.add(104, 6000, True, PARTITION_A, 2.0)
    stream.add(103, 9000, True, b"\x42\x9a\x80", 3.0)
    stream.add(101, 3000, True, b"\x42\x9a\x80", 4.0)
    for index in range(2 * MAX_FRAMES if by == "frames" else 1):
        stream.add(106 + 2 * index, 12_000 + 3000 * index, True, SLICE, 5.0)
    for at_ms in range(10, 3000, 50):
        stream.poll(float(at_ms))
    assert {0, 3000, 6000, 9000} <= stream.ended.keys()
    assert max(stream.ended.values()) == 1


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 1, 3), (1, 1, 2, 3, 3)])
def test_a_frame_that_comes_after_it_was_given_up_is_lost_once(
    order: tuple[int, ...], *, again: bool
) -> None:
    stream = Bounded("vp8")

    def late(number: int) -> None:
        payload = b"\x10\x01\x02" if number == 1 else b"\x00\x01"
        stream.add(100 + number, 3000, number == 3, payload, 2000.0)

    stream.add(100, 0, True, VP8[0], 0.0)
    stream.add(104, 6000, True, b"\x10\x01\x02", 20.0)
    stream.poll(1000.0)
    assert stream.ended == Counter({0: 1, 6000: 1})
    for number in order:
        late(number)
    stream.add(105, 9000, True, VP8[0], 2010.0)
    if again:
        for number in order:
            late(number)
    for index in range(200):
        stream.add(106 + index, 12_000 + 3000 * index, True, b"\x10\x01\x02", 2020.0 + index)
        if again and index % 10 == 0:
            late(1 + index % 3)
            stream.add(106 + index // 2, 12_000 + 3000 * (index // 2), True, b"\x10\x01", 2020.0)
    assert stream.ended == Counter([0, 3000, 6000, 9000, *range(12_000, 612_000, 3000)])
    assert stream.buffer.counts.frames_lost == 2
    assert stream.buffer.counts.frames == 202


def test_a_frame_whose_packets_were_given_up_inside_of_others_is_lost_once() -> None:
    stream = Bounded("vp8")
    stream.add(100, 0, True, b"\x10\x01\x02", 0.0)  # a key frame is awaited
    stream.add(101, 3000, True, VP8[0], 1.0)
    stream.add(103, 9000, False, b"\x10\x01\x02", 2.0)
    stream.add(105, 15_000, True, b"\x10\x01\x02", 3.0)
    stream.poll(1000.0)
    stream.poll(2000.0)
    for number, rtp in ((104, 12_000), (102, 6000), (104, 12_000), (102, 6000)):
        stream.add(number, rtp, True, b"\x10\x01\x02", 2001.0)
    stream.add(106, 18_000, True, VP8[0], 2002.0)
    assert stream.ended == Counter(range(0, 21_000, 3000))


@pytest.mark.parametrize("codec", ["h264", "vp8"])
@pytest.mark.parametrize("group", range(10))
def test_random_packets_end_and_every_timestamp_at_most_once(codec: str, group: int) -> None:
    kinds = H264 if codec == "h264" else VP8
    for seed in range(150 * group, 150 * (group + 1)):
        rng = random.Random(seed)
        stream = Bounded(codec)
        used = rng.sample(kinds, rng.randint(1, 6)) if rng.random() < 0.7 else kinds
        if codec == "h264" and rng.random() < 0.5:
            used = [*used, FILLER, SLICE]
        each = rng.random() < 0.5  # a timestamp for each packet, or for each few
        packets = []
        rtp = 0
        for number in range(100, 100 + rng.choice([6, 20, 90])):
            payload = (IDR if codec == "h264" else VP8[0]) if number == 100 else rng.choice(used)
            packets.append((number, rtp, rng.random() < 0.6, payload))
            if each or rng.random() < 0.4:
                rtp += 3000
        loss, swap, far, again = (rng.choice([0.0, 0.0, 0.1, 0.3]) for _ in range(4))
        arriving = []
        for index, packet in enumerate(packets):
            if rng.random() < loss:
                continue
            late = rng.uniform(0.0, 3.0) if rng.random() < swap else 0.0
            late += rng.uniform(0.0, 30.0) if rng.random() < far else 0.0
            arriving.append((index + late, packet))
            if rng.random() < again:
                arriving.append((index + late + rng.uniform(0.0, 9.0), packet))
        at_ms = 0.0
        for _, packet in sorted(arriving):
            at_ms += rng.choice([0.0, 1.0, 5.0, 30.0])
            stream.add(*packet, at_ms)
            if rng.random() < 0.2:
                stream.poll(at_ms + rng.choice([0.0, 60.0, 300.0]))
        for later_ms in (100.0, 300.0, 1000.0, 3000.0, 9000.0):
            stream.poll(at_ms + later_ms)
        # Several frames may have one timestamp, but no packet is in two.
        assert stream.ended <= Counter(rtp for _, rtp, _, _ in {packet for _, packet in arriving})


@pytest.mark.parametrize("codec", ["h264", "vp8"])
@pytest.mark.parametrize("group", range(4))
def test_every_timestamp_of_which_a_picture_came_ends_once(codec: str, group: int) -> None:
    kinds = H264 if codec == "h264" else VP8
    key = IDR if codec == "h264" else VP8[0]
    for seed in range(25 * group, 25 * (group + 1)):
        rng = random.Random(seed)
        stream = Bounded(codec)
        used = rng.sample(kinds, rng.randint(1, 6))
        arriving = []
        for index in range(60):
            payload = rng.choice(used) if index else key
            packet = (100 + index, 3000 * index, rng.random() < 0.8, payload)
            if index and rng.random() < 0.15:
                continue
            late = rng.uniform(0.0, 12.0) if index and rng.random() < 0.2 else 0.0
            arriving.append((index + late, packet))
            if rng.random() < 0.1:
                arriving.append((index + late + rng.uniform(0.0, 9.0), packet))
        at_ms = 0.0
        for _, packet in sorted(arriving):
            at_ms += rng.choice([1.0, 5.0, 30.0, 120.0])
            stream.add(*packet, at_ms)
            if rng.random() < 0.3:
                stream.poll(at_ms + rng.choice([0.0, 60.0]))
        for index in range(20):
            at_ms += 300.0
            stream.poll(at_ms)
            stream.add(161 + index, 3000 * (60 + index), True, key, at_ms)
        for _, (_, rtp, _, payload) in arriving:
            media = depacketize(codec, payload) if payload else None
            has_picture = media.picture if media is not None else bool(payload)
            # One that goes on with the last picture may be that one's.
            if has_picture and not (media is not None and media.resumes):
                assert stream.ended[rtp] == 1, (seed, rtp)
