"""A WHIP publisher of encoded frames as they are: real ICE, DTLS and SRTP, packets of tests."""

from __future__ import annotations

import asyncio
import re
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import av
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from tests.rtc import av1_packets, vp9_packets
from tests.rtc.streams import Packet, encode, packetise, units

_NAMES = {"vp8": "VP8", "vp9": "VP9", "h264": "H264", "av1": "AV1"}
SSRC = 0x1234567


class _Silent(MediaStreamTrack):
    """Keeps the sender of the connection from sending anything itself."""

    kind = "video"

    async def recv(self) -> av.VideoFrame:
        await asyncio.Event().wait()
        raise AssertionError


@dataclass(frozen=True)
class SentFrame:
    """One frame: its packets, and its bytes as the units that every container keeps."""

    packets: Sequence[Packet]
    content: tuple[bytes, ...]


def stream(
    codec: str, count: int, keys: Sequence[int] = (0,), size: tuple[int, int] = (160, 120)
) -> list[SentFrame]:
    """Numbered pictures, really encoded and cut into payloads."""
    if codec == "av1":
        temporal_units = av1_packets.av1(count, tuple(keys), size=size)
        cut = av1_packets.packets(temporal_units)
        return [
            SentFrame(packets, each.units)
            for packets, each in zip(cut, temporal_units, strict=True)
        ]
    if codec == "vp9":
        pictures = vp9_packets.vp9(count, tuple(keys), size=size)
        cut = vp9_packets.packets(pictures)
        return [
            SentFrame(packets, each.frames) for packets, each in zip(cut, pictures, strict=True)
        ]
    frames = encode(codec, count, *size, keys=keys)
    cut = packetise(codec, frames, size=1000)
    return [
        SentFrame(packets, tuple(units(each.data)) if codec == "h264" else (each.data,))
        for packets, each in zip(cut, frames, strict=True)
    ]


def content(codec: str, data: bytes) -> tuple[bytes, ...]:
    """A container's packet as `SentFrame.content` has it."""
    if codec == "av1":
        return tuple(av1_packets.obus(data))
    if codec != "h264":
        return (data,)
    found, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        found.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return tuple(found)


class RawPublisher:
    """Made by `publishing_raw`."""

    def __init__(self, connection: RTCPeerConnection, payload_type: int) -> None:
        self._connection = connection
        self._payload_type = payload_type
        self._sequence = 0

    async def send(self, frames: Sequence[SentFrame], rtps: Sequence[int], fps: float) -> None:
        """Each frame with its RTP timestamp, at a steady rate."""
        [sender] = self._connection.getSenders()
        loop = asyncio.get_running_loop()
        begin_s = loop.time()
        for index, (frame, rtp) in enumerate(zip(frames, rtps, strict=True)):
            await asyncio.sleep(begin_s + index / fps - loop.time())
            for packet in frame.packets:
                marker = 0x80 * packet.marker | self._payload_type
                head = struct.pack(
                    "!BBHII", 0x80, marker, self._sequence & 0xFFFF, rtp & 0xFFFFFFFF, SSRC
                )
                self._sequence += 1
                await sender.transport._send_rtp(head + packet.payload)


@asynccontextmanager
async def publishing_raw(url: str, codec: str, label: str) -> AsyncIterator[RawPublisher]:
    """Connected to the server at `url`, which has taken `codec`; gone afterwards."""
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.addTrack(_Silent())
    try:
        await connection.setLocalDescription(await connection.createOffer())
        offer = connection.localDescription.sdp
        [payload_type] = re.findall(r"a=rtpmap:(\d+) VP8/90000", offer)
        offer = re.sub(r"a=rtpmap:(\d+) (?!VP8)\w+/90000", r"a=rtpmap:\1 none/90000", offer)
        offer = re.sub(r"a=fmtp:.*\r\n", "", offer).replace("VP8/90000", f"{_NAMES[codec]}/90000")
        if codec == "h264":
            parameters = f"a=fmtp:{payload_type} packetization-mode=1;profile-level-id=42e01f\r\n"
            offer = re.sub(r"(a=rtpmap:\d+ H264/90000\r\n)", rf"\1{parameters}", offer)
        connected = asyncio.Event()

        def changed() -> None:
            if connection.connectionState == "connected":
                connected.set()

        connection.on("connectionstatechange", changed)
        async with (
            aiohttp.ClientSession() as http,
            http.post(
                f"{url}/whip",
                data=offer,
                headers={"Content-Type": "application/sdp"},
                params={"label": label},
            ) as response,
        ):
            answer = await response.text()
            assert response.status == 201, answer
        answer = re.sub(r"a=fmtp:.*\r\n", "", answer.replace(_NAMES[codec], "VP8"))
        await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        async with asyncio.timeout(60):
            await connected.wait()
        yield RawPublisher(connection, int(payload_type))
    finally:
        await connection.close()
