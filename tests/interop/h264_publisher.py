"""A WHIP publisher that sends given packets of H264 over a real connection."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

import aiohttp
from aiortc.rtp import RtpPacket

from edge.client.connection import SenderConnection
from edge.client.rtp.rtcp_feedback import read_feedback
from tests.rtc.streams import Packet


class H264Publisher:
    """Outcomes by timestamp, as the server tells them, and what it asked for."""

    def __init__(self) -> None:
        self.outcomes: dict[int, list[str]] = {}  # "answered" or a reason, by timestamp
        self.keyframe_requests = 0
        self._news = asyncio.Event()
        self._open = asyncio.Event()
        self._connected = asyncio.Event()
        self._payload_type = self._ssrc = 0
        self.connection = SenderConnection(
            on_rtcp=self._on_feedback,
            on_message=self._on_message,
            on_open=lambda label: self._open.set() if label == "results" else None,
            on_state=lambda state: self._connected.set() if state == "connected" else None,
            codecs=("h264",),
        )

    async def publish(
        self,
        http: aiohttp.ClientSession,
        url: str,
        *,
        sprop: Sequence[bytes] = (),
        slo_ms: int = 5000,
    ) -> None:
        """Offer, with parameter sets in the SDP if given, and wait until results can come."""
        offer = await self.connection.offer()
        if sprop:
            sets = ",".join(base64.b64encode(unit).decode() for unit in sprop)
            added = (
                f"{line};sprop-parameter-sets={sets}" if "profile-level-id" in line else line
                for line in offer.splitlines()
            )
            offer = "\r\n".join(added) + "\r\n"
        async with http.post(
            f"{url}/whip",
            data=offer,
            headers={"Content-Type": "application/sdp"},
            params={"slo_ms": str(slo_ms)},
        ) as response:
            answer = await response.text()
            assert response.status == 201, answer
        packetiser = await self.connection.accept(answer)
        self._payload_type, self._ssrc = packetiser._payload_type, packetiser.ssrc
        async with asyncio.timeout(60):
            await self._open.wait()
            await self._connected.wait()

    def send(self, packets: Iterable[Packet]) -> None:
        """One frame's packets, now."""
        for packet in packets:
            written = RtpPacket(
                payload_type=self._payload_type,
                marker=int(packet.marker),
                sequence_number=packet.sequence,
                timestamp=packet.rtp,
                ssrc=self._ssrc,
                payload=packet.payload,
            )
            assert self.connection.send(written.serialize())

    async def ended(self, rtps: Iterable[int], timeout: float = 60.0) -> None:
        """Wait until each of these frames has an outcome."""
        wanted = set(rtps)
        async with asyncio.timeout(timeout):
            while not wanted <= self.outcomes.keys():
                self._news.clear()
                await self._news.wait()

    def _on_message(self, label: str, text: str) -> None:
        message = json.loads(text)
        if message["type"] in ("detections", "dropped"):
            outcome = message.get("reason", "answered")
            self.outcomes.setdefault(message["rtp"], []).append(outcome)
            self._news.set()

    def _on_feedback(self, data: bytes) -> None:
        self.keyframe_requests += read_feedback(data).keyframe


@asynccontextmanager
async def publishing_h264(
    url: str, *, sprop: Sequence[bytes] = (), slo_ms: int = 5000
) -> AsyncIterator[H264Publisher]:
    """A publisher whose connection is up; gone afterwards."""
    publisher = H264Publisher()
    try:
        async with aiohttp.ClientSession() as http:
            await publisher.publish(http, url, sprop=sprop, slo_ms=slo_ms)
            yield publisher
    finally:
        await publisher.connection.close()
