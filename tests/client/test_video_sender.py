"""Frames to paced packets, and feedback obeyed; the connection is a list."""

from __future__ import annotations

import asyncio
import math
import struct
from typing import cast

from edge.client.connection import SenderConnection
from edge.client.frame_outcomes import PublishedFrame
from edge.client.rtp.rtp_packetiser import MAX_PAYLOAD, Packetiser
from edge.client.video_sender import VideoSender
from edge.rtc.rtp import ExtensionIds


class FakeConnection:
    """Keeps the packets; `complete` is set at the last packet of a frame of 100,000 bytes."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.complete = asyncio.Event()

    def send(self, packet: bytes) -> bool:
        self.sent.append(packet)
        if len(self.sent) == 1 + math.ceil(100_000 / MAX_PAYLOAD):
            self.complete.set()
        return True


class Setup:
    def __init__(self) -> None:
        self.connection = FakeConnection()
        self.estimates: list[float] = []
        self.requests = 0
        connection = cast(SenderConnection, self.connection)
        self.sender = VideoSender(connection, self.estimates.append, self._on_request)
        self.sender.start(Packetiser(7, 96, ExtensionIds(), sequence=100))

    def _on_request(self) -> None:
        self.requests += 1

    def send(self, size: int) -> PublishedFrame:
        frame = PublishedFrame(0, 0, self.sender.rtp_of(1.5), 1e12)
        self.sender.send(frame, bytes(size))
        return frame


def feedback(kind: int, form: int, body: bytes) -> bytes:
    head = struct.pack("!BBHLL", 0x80 | form, kind, 2 + len(body) // 4, 1, 7)
    return head + body


def remb(mantissa: int, exponent: int) -> bytes:
    word = (1 << 24 | exponent << 18 | mantissa).to_bytes(4, "big")
    return feedback(206, 15, b"REMB" + word + struct.pack("!L", 7))


async def test_a_frame_has_left_when_its_last_packet_has() -> None:
    setup = Setup()
    small = setup.send(500)
    assert len(setup.connection.sent) == 1
    assert small.sent_ms is not None
    large = setup.send(100_000)
    assert not large.sent_ms
    assert setup.sender.waiting_ms > 100.0
    setup.sender.on_rtcp(remb(1_000, 17))  # 131 Mbit/s: the pacer empties at once
    async with asyncio.timeout(10.0):
        await setup.connection.complete.wait()
    assert large.sent_ms
    setup.sender.stop()
    assert setup.estimates == [1_000 << 17]
    assert setup.sender.waiting_ms == 0.0
    sequences = [int.from_bytes(packet[2:4], "big") for packet in setup.connection.sent]
    assert sequences == list(range(100, 100 + len(sequences)))


async def test_nacked_packets_are_sent_again_and_key_frames_requested() -> None:
    setup = Setup()
    setup.send(500)
    [packet] = setup.connection.sent
    setup.sender.on_rtcp(feedback(205, 1, struct.pack("!HH", 100, 0)))
    assert setup.connection.sent == [packet, packet]
    setup.sender.on_rtcp(feedback(205, 1, struct.pack("!HH", 99, 0)))  # never sent
    setup.sender.on_rtcp(feedback(206, 1, b""))
    assert (setup.sender.resent, setup.sender.keyframe_requests, setup.requests) == (1, 1, 1)


async def test_rtp_time_has_90_kilohertz_from_a_random_origin_and_wraps() -> None:
    sender = Setup().sender
    origin = sender.rtp_of(0.0)
    assert (sender.rtp_of(0.1) - origin) % 2**32 == 9_000
    assert sender.rtp_of(2**32 / 90_000) == origin


async def test_a_sender_report_carries_the_time_and_the_counts() -> None:
    setup = Setup()
    setup.send(500)
    setup.sender.send_report(2.0, 1e12, "me")
    report = setup.connection.sent[-1]
    assert report[1] == 200
    assert int.from_bytes(report[16:20], "big") == setup.sender.rtp_of(2.0)
    assert int.from_bytes(report[20:24], "big") == 1
