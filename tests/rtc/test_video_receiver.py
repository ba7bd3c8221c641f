"""A receiver fed packet by packet: what happens when the source of the video changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence

import pytest
from aiortc import rtp

from edge.base.clock import now_ms
from edge.rtc.bwe.bandwidth_estimator import BandwidthEstimator
from edge.rtc.clock.capture_clock import CaptureClock
from edge.rtc.decoding.decoded_frame import DecodedFrame
from edge.rtc.rtp import ExtensionIds
from edge.rtc.video_receiver import VideoReceiver
from tests.rtc.streams import FRAME_MS, Packet, encode, packetise
from tests.rtc.twcc_feedback import parse


class Sink:
    """A receiver whose pictures are kept, on a clock that the packets bring."""

    def __init__(self) -> None:
        self.clock = CaptureClock()
        self.estimator = BandwidthEstimator()
        self.frames: list[DecodedFrame] = []
        self.lost: list[int] = []
        self.at_ms = now_ms()
        self._news = asyncio.Event()
        self.receiver = VideoReceiver(
            codecs={97: "vp8"},
            retransmissions={98: 97},
            extensions=ExtensionIds(),
            send_rtcp=lambda packet: True,
            on_frame=self._frame,
            on_lost=self._lost,
            clock=self.clock,
            estimator=self.estimator,
            slo_ms=1000.0,
        )

    def _frame(self, frame: DecodedFrame) -> None:
        self.frames.append(frame)
        self._news.set()

    def _lost(self, rtps: Sequence[int], reason: str) -> None:
        self.lost += rtps
        self._news.set()

    async def take(self, ssrc: int, stream: Iterable[list[Packet]]) -> None:
        """Frames one by one, each decoded before the next comes."""
        for packets in stream:
            self.at_ms += FRAME_MS
            done = len(self.frames) + len(self.lost)
            for packet in packets:
                self.receiver.handle_rtp(_written(ssrc, packet), self.at_ms)
            async with asyncio.timeout(60):
                while len(self.frames) + len(self.lost) == done:
                    self._news.clear()
                    await self._news.wait()


def _written(ssrc: int, packet: Packet) -> bytes:
    written = rtp.RtpPacket(
        payload_type=97,
        marker=int(packet.marker),
        sequence_number=packet.sequence,
        timestamp=packet.rtp,
        ssrc=ssrc,
        payload=packet.payload,
    )
    return written.serialize()


def _again(ssrc: int, sequence: int, packet: Packet) -> bytes:
    """A retransmission (RFC 4588) in a stream of its own."""
    written = rtp.RtpPacket(
        payload_type=98,
        marker=int(packet.marker),
        sequence_number=sequence,
        timestamp=packet.rtp,
        ssrc=ssrc,
        payload=packet.sequence.to_bytes(2, "big") + packet.payload,
    )
    return written.serialize()


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    sink = Sink()
    yield sink
    sink.receiver.close()
    await sink.receiver.closed()


@pytest.mark.parametrize("farewell", [True, False])
@pytest.mark.parametrize("base", [90_000, 90_000 * 3600])
async def test_another_source_has_its_own_timestamps(
    sink: Sink, *, farewell: bool, base: int
) -> None:
    first = packetise("vp8", encode("vp8", 3), rtp=90_000 * 60)
    await sink.take(1, first)
    if farewell:
        sink.receiver.handle_rtcp(bytes(rtp.RtcpByePacket(sources=[1])), sink.at_ms)
    else:
        sink.at_ms += 1000.0  # silence, after which another may take over
    sequence = first[-1][-1].sequence + 1
    await sink.take(2, packetise("vp8", encode("vp8", 3), sequence=sequence, rtp=base))
    assert not sink.lost
    assert len(sink.frames) == 6
    for frame in sink.frames:
        assert frame.captured_ms == pytest.approx(frame.received_ms, abs=0.1)
    assert sink.estimator.queue_ms < 0.1


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("sequence", [10, 200, 20_000])
@pytest.mark.parametrize("rtp_base", [90_000, 90_000 * 3600])
async def test_retransmissions_of_the_last_source_are_not_the_next_ones(
    sink: Sink, *, known: bool, sequence: int, rtp_base: int
) -> None:
    first = packetise("vp8", encode("vp8", 4), sequence=sequence, rtp=rtp_base)
    await sink.take(1, first[:1])
    if known:  # its retransmissions have a stream of their own, of which one came already
        sink.receiver.handle_rtp(_again(11, 1, first[0][0]), sink.at_ms)
    await sink.take(1, first[1:])
    sink.at_ms += 1000.0
    second = packetise("vp8", encode("vp8", 8), sequence=1000, rtp=90_000 * 60)
    await sink.take(2, second[:4])
    missed = sink.receiver.jitter.counts.missed
    answers = [packet for packets in first for packet in packets]
    for number, packet in enumerate(answers, start=2):
        sink.receiver.handle_rtp(_again(11, number, packet), sink.at_ms)
    assert sink.receiver.jitter.counts.resets == 1  # by the change of the source alone
    assert sink.receiver.jitter.counts.missed == missed
    await sink.take(2, second[4:])
    assert [frame.rtp for frame in sink.frames] == [each[0].rtp for each in (*first, *second)]


@pytest.mark.parametrize(("ssrc", "after_ms"), [(12, 0.0), (11, 6000.0)])
async def test_retransmissions_of_the_next_source_are_taken(
    sink: Sink, ssrc: int, after_ms: float
) -> None:
    first = packetise("vp8", encode("vp8", 2))
    await sink.take(1, first)
    sink.receiver.handle_rtp(_again(11, 1, first[0][0]), sink.at_ms)
    sink.at_ms += 1000.0
    second = packetise("vp8", encode("vp8", 6), sequence=1000, rtp=90_000 * 60)
    await sink.take(2, second[:4])
    sink.at_ms += after_ms
    for packet in second[5]:
        sink.receiver.handle_rtp(_written(2, packet), sink.at_ms)
    for number, packet in enumerate(second[4]):  # all of it was lost at first
        sink.receiver.handle_rtp(_again(ssrc, 2 + number, packet), sink.at_ms)
    assert sink.receiver.jitter.counts.frames == 2 + 6


async def test_transport_wide_feedback_goes_out_and_no_estimate() -> None:
    sent: list[bytes] = []

    def send(packet: bytes) -> bool:
        sent.append(packet)
        if any(packet[at + 1] == 205 for at in _parts(packet)):
            feedback_sent.set()
        return True

    feedback_sent = asyncio.Event()
    receiver = VideoReceiver(
        codecs={97: "vp8"},
        retransmissions={},
        extensions=ExtensionIds(transport_cc=5),
        send_rtcp=send,
        on_frame=lambda frame: None,
        on_lost=lambda rtps, reason: None,
        clock=CaptureClock(),
        estimator=BandwidthEstimator(),
        slo_ms=1000.0,
    )
    extension = b"\xbe\xde\x00\x01" + bytes([5 << 4 | 1, 0x01, 0x02, 0])
    header = bytes.fromhex("90 61 0001 00000001 00000007")
    came_ms = now_ms()
    receiver.handle_rtp(header + extension + b"\x10\x00\x00", came_ms)
    async with asyncio.timeout(60):
        await feedback_sent.wait()
    feedbacks = [parse(packet[at:]) for packet in sent for at in _parts(packet)]
    (feedback,) = [each for each in feedbacks if each is not None]
    assert feedback.first == 0x0102
    assert len(feedback.arrivals_ms) == 1
    assert not any(b"REMB" in packet for packet in sent)
    receiver.close()
    await receiver.closed()


def _parts(compound: bytes) -> list[int]:
    """Where each part of a compound packet begins."""
    parts, at = [], 0
    while at < len(compound):
        parts.append(at)
        at += 4 * (int.from_bytes(compound[at + 2 : at + 4], "big") + 1)
    return parts


async def test_what_was_not_negotiated_is_noted(sink: Sink) -> None:
    for kind in (96, 111, 96):
        sink.receiver.handle_rtp(bytes([0x80, kind]) + bytes(11), sink.at_ms)
    assert sink.receiver.unknown_types == {96, 111}
    assert not sink.lost


@pytest.mark.parametrize("sign", ["silence", "slow packets", "slow packets, read late"])
async def test_a_step_of_the_link_is_reported(sign: str) -> None:
    stepped = asyncio.Event()
    receiver = VideoReceiver(
        codecs={97: "vp8"},
        retransmissions={},
        extensions=ExtensionIds(),
        send_rtcp=lambda packet: True,
        on_frame=lambda frame: None,
        on_lost=lambda rtps, reason: None,
        clock=CaptureClock(),
        estimator=BandwidthEstimator(),
        slo_ms=1000.0,
        on_step=stepped.set,
    )
    at_ms = now_ms() - 3000.0
    sequence = 0
    for frame in range(30):
        for index in range(8):
            packet = Packet(sequence, 6000 * frame, index == 7, b"\x10\x00" + bytes(1000))
            receiver.handle_rtp(_written(1, packet), at_ms + index)
            sequence += 1
        at_ms += FRAME_MS
    assert not stepped.is_set()
    if sign == "silence":  # for the heartbeat to see
        async with asyncio.timeout(60):
            await stepped.wait()
    else:
        if sign == "slow packets, read late":  # the process itself was delayed
            at_ms = now_ms() + 500.0
        for index in range(6):
            packet = Packet(sequence, 6000 * 30, False, b"\x10\x00" + bytes(1000))
            receiver.handle_rtp(_written(1, packet), at_ms + 12.0 * index)
            sequence += 1
    assert stepped.is_set() is (sign != "slow packets, read late")
    receiver.close()
    await receiver.closed()


async def test_a_frames_end_is_asked_for_though_a_later_timer_was_set(sink: Sink) -> None:
    """After a whole frame the receiver waits for the next; an end that breaks off is due sooner."""
    receiver, at_ms = sink.receiver, now_ms()
    *whole, broken = packetise("vp8", encode("vp8", 4), size=60)
    for index, frame in enumerate(whole):
        for packet in frame:
            receiver.handle_rtp(_written(1, packet), at_ms - 80.0 * (len(whole) - index))
    for _ in range(2):
        await asyncio.sleep(0)  # timers that are due by now
    later_ms = receiver._poll_ms
    receiver.handle_rtp(_written(1, broken[0]), at_ms)
    assert at_ms < receiver._poll_ms <= at_ms + 30.0 < later_ms
