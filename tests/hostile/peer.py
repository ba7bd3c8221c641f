"""A connected WebRTC peer that sends whatever an attack makes: SCTP chunks, datagrams, RTP."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from typing import Any

import aiohttp
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from google_crc32c import value as crc32c

CONNECT_S = 15.0
BUSY_RETRIES = 15  # a second apart: sessions that an attack spoilt may still take their places
TSN_MODULO = 1 << 32


def chunk(kind: int, body: bytes, flags: int = 0) -> bytes:
    """An SCTP chunk, padded to four bytes."""
    return struct.pack("!BBH", kind, flags, 4 + len(body)) + body + bytes(-len(body) % 4)


def data_chunk(
    tsn: int, data: bytes, *, stream: int = 0, flags: int = 3, protocol: int = 51
) -> bytes:
    """A DATA chunk; flags 2 begins and 1 ends a message."""
    head = struct.pack("!LHHL", tsn % TSN_MODULO, stream, 0, protocol)
    return chunk(0, head + data, flags)


class HostilePeer:
    """Made by `connect`; `ended` is set once the server has ended the connection."""

    def __init__(self) -> None:
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.video = self.connection.addTransceiver("video", direction="sendonly")
        self.control = self.connection.createDataChannel("control")
        self.results = self.connection.createDataChannel("results", ordered=False, maxRetransmits=0)
        self.ended = asyncio.Event()
        self.end_code = ""
        self._open = asyncio.Event()
        self.control.on("open", self._open.set)
        self.control.on("message", self._on_message)
        self.connection.on("connectionstatechange", self._on_state)
        self._answer = ""

    async def connect(self, url: str) -> None:
        """Publish at the server's base URL, and wait for the control channel."""
        await self.connection.setLocalDescription(await self.connection.createOffer())
        async with aiohttp.ClientSession() as http:
            for _ in range(BUSY_RETRIES):
                if await self._post(http, url) != 503:
                    break
                await asyncio.sleep(1.0)
        assert self._answer.startswith("v=0"), self._answer
        await self.connection.setRemoteDescription(RTCSessionDescription(self._answer, "answer"))
        async with asyncio.timeout(CONNECT_S):
            await self._open.wait()

    async def _post(self, http: aiohttp.ClientSession, url: str) -> int:
        sdp = self.connection.localDescription.sdp
        headers = {"Content-Type": "application/sdp"}
        async with http.post(f"{url}whip", data=sdp, headers=headers) as response:
            self._answer = await response.text()
            return response.status

    async def close(self) -> None:
        """End the connection; failures are ignored, since an attack may have spoilt it."""
        with contextlib.suppress(Exception):
            async with asyncio.timeout(2.0):
                await self.connection.close()

    # -- the layers, top down

    @property
    def sctp(self) -> Any:
        return self.connection.sctp

    @property
    def dtls(self) -> Any:
        return self.sctp.transport

    @property
    def ice(self) -> Any:
        """aioice's connection."""
        return self.dtls.transport._connection

    @property
    def server_address(self) -> tuple[str, int]:
        """Of the nominated pair."""
        pair = next(iter(self.ice._nominated.values()))
        return pair.remote_addr[0], pair.remote_addr[1]

    @property
    def ssrc(self) -> int:
        return int(self.video.sender._ssrc)

    @property
    def rtx_ssrc(self) -> int:
        return int(self.video.sender._rtx_ssrc)

    def payload_types(self) -> tuple[int, int]:
        """Of VP8 and of its retransmissions, from the answer."""
        vp8 = rtx = 0
        for line in self._answer.splitlines():
            if line.startswith("a=rtpmap:") and "VP8/" in line and not vp8:
                vp8 = int(line[9:].split()[0])
            if line.startswith("a=fmtp:") and vp8 and line.endswith(f"apt={vp8}"):
                rtx = int(line[7:].split()[0])
        return vp8, rtx

    async def send_sctp(self, chunks: bytes) -> None:
        """Chunks as one packet of the association."""
        sctp = self.sctp
        header = struct.pack(
            "!HHL", sctp._local_port, sctp._remote_port, sctp._remote_verification_tag
        )
        checksum = crc32c(header + bytes(4) + chunks)
        await self.dtls._send_data(header + struct.pack("<L", checksum) + chunks)

    async def send_rtp(self, packet: bytes) -> None:
        """An RTP or RTCP packet, encrypted."""
        await self.dtls._send_rtp(packet)

    async def send_datagram(self, data: bytes) -> None:
        """Raw bytes from the nominated pair's socket."""
        await self.dtls.transport._send(data)

    async def pause(self, index: int, every: int = 20, seconds: float = 0.005) -> None:
        """After every so many packets, time for this peer's own event loop."""
        if index % every == every - 1:
            await asyncio.sleep(seconds)

    def _on_message(self, text: str) -> None:
        message = json.loads(text)
        if message.get("type") == "bye":
            self.end_code = str(message.get("code"))
            self.ended.set()

    def _on_state(self) -> None:
        if self.connection.connectionState in ("closed", "failed"):
            self.ended.set()
