"""A real publisher: aiortc's own sender, over real ICE, DTLS and SRTP on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import av
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError

from edge.base.clock import now_ms
from edge.rtc import rtp
from edge.rtc.decoding.decoded_frame import DecodedFrame
from edge.rtc.peer_connection import PeerConnection
from edge.rtc.rtp import ExtensionIds, RtpPacket
from tests.rtc.streams import picture


class Camera(MediaStreamTrack):
    """Pictures at 50 a second, of the size that `size` has at the time.

    `taken_ms` is when the last was taken, by the clock that its timestamp counts too.
    """

    kind = "video"

    def __init__(self, size: tuple[int, int] = (160, 120)) -> None:
        super().__init__()
        self.size = size
        self.taken_ms = 0.0
        self._index = 0

    async def recv(self) -> av.VideoFrame:
        if self.readyState != "live":
            raise MediaStreamError
        await asyncio.sleep(0.02)  # the frame interval
        self._index += 1
        frame = picture(self._index, *self.size)
        self.taken_ms = now_ms()
        frame.pts, frame.time_base = round(self.taken_ms * 1000.0), Fraction(1, 1_000_000)
        return frame


class Publisher:
    """Sends a camera and two data channels; packets can be dropped on their way out.

    `drop(packet, again)` sees each RTP packet before SRTP; `again` marks retransmissions.
    """

    def __init__(self, codec: str = "VP8", size: tuple[int, int] = (160, 120)) -> None:
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.camera = Camera(size)
        self.messages: list[tuple[str, str | bytes]] = []
        self.sent: dict[int, int] = {}  # packets by rtp
        self.taken_ms: dict[int, float] = {}  # the camera's time of each picture, by rtp
        self.feedback: list[bytes] = []
        self.drop: Callable[[RtpPacket, bool], bool] = lambda packet, again: False
        self.news = asyncio.Event()
        self.connection.addTrack(self.camera)
        (transceiver,) = self.connection.getTransceivers()
        capabilities = RTCRtpSender.getCapabilities("video")
        assert capabilities is not None
        transceiver.setCodecPreferences(
            [c for c in capabilities.codecs if c.mimeType in (f"video/{codec}", "video/rtx")]
        )
        self.channels = {
            "control": self._channel("control"),
            "results": self._channel("results", ordered=False, maxRetransmits=0),
        }
        transport: Any = transceiver.sender.transport
        send = transport._send_rtp

        async def send_rtp(data: bytes) -> None:
            if not rtp.is_rtcp(data) and self._dropped(data):
                return
            await send(data)

        transport._send_rtp = send_rtp

    def _channel(self, label: str, **options: Any) -> RTCDataChannel:
        channel = self.connection.createDataChannel(label, **options)
        channel.on("message", lambda data: self._received(label, data))
        channel.on("open", self.news.set)
        return channel

    def _received(self, label: str, data: str | bytes) -> None:
        self.messages.append((label, data))
        self.news.set()

    def _dropped(self, data: bytes) -> bool:
        packet = rtp.parse_rtp(data, ExtensionIds())
        assert packet is not None
        again = packet.payload_type in (98, 100, 102)  # aiortc's retransmissions
        if not again:
            self.sent[packet.timestamp] = self.sent.get(packet.timestamp, 0) + 1
            # The sender takes a picture only when the one before is sent.
            self.taken_ms.setdefault(packet.timestamp, self.camera.taken_ms)
        return self.drop(packet, again)

    async def opened(self, label: str) -> None:
        async with asyncio.timeout(60):
            while self.channels[label].readyState != "open":
                self.news.clear()
                await self.news.wait()

    async def offer(self) -> str:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return str(self.connection.localDescription.sdp)

    async def accept(self, answer: str) -> None:
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))


class Watcher:
    """A peer whose callbacks are noted, and something to wait for them with."""

    def __init__(self, **options: Any) -> None:
        self.frames: list[DecodedFrame] = []
        self.lost: list[tuple[int, str]] = []
        self.messages: list[tuple[str, str | bytes]] = []
        self.channels: list[str] = []
        self.clock_sources: list[str] = []  # of each frame's capture time
        self.states: list[str] = []
        self.news = asyncio.Event()
        self.peer = PeerConnection(
            **{
                "slo_ms": 100.0,
                "on_frame": self._noting(self._on_frame),
                "on_lost": self._noting(self._on_lost),
                "on_message": self._noting(lambda label, data: self.messages.append((label, data))),
                "on_channel": self._noting(self.channels.append),
                "on_state": self._noting(self.states.append),
                **options,
            }
        )

    def _noting(self, note: Callable[..., None]) -> Callable[..., None]:
        def noted(*arguments: Any) -> None:
            note(*arguments)
            self.news.set()

        return noted

    def _on_frame(self, frame: DecodedFrame) -> None:
        self.frames.append(frame)
        _, source = self.peer.clock.captured_ms(frame.rtp, frame.received_ms)
        self.clock_sources.append(source)

    def _on_lost(self, rtps: Sequence[int], reason: str) -> None:
        self.lost += [(rtp, reason) for rtp in rtps]

    async def until(self, satisfied: Callable[[], bool], news: asyncio.Event | None = None) -> None:
        """Wait for callbacks (or other `news`) until the condition holds."""
        news = news or self.news
        async with asyncio.timeout(60):
            while not satisfied():
                news.clear()
                await news.wait()

    async def connect(self, publisher: Publisher) -> None:
        await publisher.accept(await self.peer.answer(await publisher.offer()))
