"""aiortc's own sender to aiortc's own receiver, over loopback."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiortc import RTCSessionDescription

from edge.rtc.rtp import is_rtcp
from netem.baseline.stock_receiver import StockReceiver
from tests.publisher import FramesTrack, WhipPublisher
from tests.serving import noise

ENOUGH = 5


class Recorder:
    """Everything that a receiver reports."""

    def __init__(self) -> None:
        self.frames: list[tuple[int, tuple[int, int]]] = []
        self.sent_rtps: set[int] = set()
        self.enough = asyncio.Event()
        self.receiver = StockReceiver(self._on_frame, self._on_message, self._on_datagram)

    def _on_frame(self, frame: Any, rtp: int, at_ms: float) -> None:
        self.frames.append((rtp, (frame.width, frame.height)))
        if len(self.frames) >= ENOUGH:
            self.enough.set()

    def _on_message(self, label: str, text: str, at_ms: float) -> None:
        self.receiver.send(label, json.dumps({"type": "echo", "of": json.loads(text)["type"]}))
        self.receiver.send("no such channel", text)

    def _on_datagram(self, data: bytes, at_ms: float) -> None:
        if len(data) >= 12 and 127 < data[0] < 192 and not is_rtcp(data):
            self.sent_rtps.add(int.from_bytes(data[4:8], "big"))


async def connected(recorder: Recorder) -> WhipPublisher:
    publisher = WhipPublisher(FramesTrack(noise(128, 96), 30))
    connection = publisher.connection
    await connection.setLocalDescription(await connection.createOffer())
    answer = await recorder.receiver.answer(connection.localDescription.sdp)
    await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    return publisher


async def test_frames_carry_the_timestamps_of_their_packets_and_messages_are_answered() -> None:
    recorder = Recorder()
    publisher = await connected(recorder)
    opened = asyncio.Event()
    publisher.control.on("open", opened.set)
    try:
        async with asyncio.timeout(30.0):
            await recorder.enough.wait()
            if publisher.control.readyState != "open":
                await opened.wait()
            publisher.send("hello")
            echo = await publisher.wait_for_type("echo")
    finally:
        await recorder.receiver.close()
        await publisher.connection.close()
    assert echo["of"] == "hello"
    rtps = [rtp for rtp, _ in recorder.frames]
    assert len(set(rtps)) == len(rtps)
    assert set(rtps) <= recorder.sent_rtps
    assert {size for _, size in recorder.frames} == {(128, 96)}
