"""A WHIP publisher that sends scripted packets: clocks, numbers and sources as a test wants them.

It opens no data channels, as cameras and encoders do, and reads its results as server-sent events.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import av
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from edge.base.clock import now_ms
from edge.workers.simulated import CELLS
from tests.rtc.streams import Packet

SIDE = 160  # pixels: 20 a cell
RUN_IN_S = 0.5  # from the connection to the first frame: time for DTLS on both sides


@dataclass(frozen=True)
class Scripted:
    """A frame: when it is sent, as whose, and with which numbers and timestamp."""

    at_s: float
    packets: Sequence[Packet]
    ssrc: int = 1

    @property
    def rtp(self) -> int:
        return self.packets[0].rtp


def picture(index: int) -> av.VideoFrame:
    """One bright cell, another for each of 64 pictures: a simulated device finds it."""
    luma = np.full((SIDE, SIDE), 40, dtype=np.uint8)
    row, column = divmod(index % (CELLS * CELLS), CELLS)
    cell = SIDE // CELLS
    luma[row * cell : (row + 1) * cell, column * cell : (column + 1) * cell] = 235
    grey = np.repeat(luma[:, :, None], 3, axis=2)
    return av.VideoFrame.from_ndarray(grey, format="rgb24").reformat(format="yuv420p")


def cell_of(message: dict[str, Any]) -> int | None:
    """The cell that the middle of the best box lies in; None without a box."""
    if not message["boxes"]:
        return None
    _, _, left, top, right, bottom = message["boxes"][0]
    return int((top + bottom) / 2 * CELLS) * CELLS + int((left + right) / 2 * CELLS)


class ScriptedSender:
    """Made by `sending`; `edit` changes its offer, `codec` is "vp8" or "h264"."""

    def __init__(self, edit: Callable[[str], str] = str, codec: str = "vp8") -> None:
        self._edit, self._codec = edit, codec
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.video = self.connection.addTransceiver("video", direction="sendonly")
        self.results: list[dict[str, Any]] = []
        self.sent_ms: defaultdict[int, list[float]] = defaultdict(list)
        """When each timestamp's frames were sent, by the clock of a server in this process."""
        self._arrived = asyncio.Event()
        self.payload_type = 0

    async def connect(self, http: aiohttp.ClientSession, url: str, slo_ms: float) -> str:
        """Publish; the session's own URL."""
        await self.connection.setLocalDescription(await self.connection.createOffer())
        async with http.post(
            f"{url}/whip",
            params={"slo_ms": str(slo_ms)},
            data=self._edit(self.connection.localDescription.sdp),
            headers={"Content-Type": "application/sdp"},
        ) as response:
            answer = await response.text()
            assert response.status == 201, answer
            location = url + response.headers["Location"]
        written = f"{self._codec.upper()}/90000"
        types = [line for line in answer.splitlines() if written in line]
        self.payload_type = int(types[0].split()[0].removeprefix("a=rtpmap:"))
        connected = asyncio.Event()

        def on_state() -> None:
            if self.connection.connectionState == "connected":
                connected.set()

        self.connection.on("connectionstatechange", on_state)
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        async with asyncio.timeout(30):
            await connected.wait()
        return location

    async def send(self, script: Iterable[Scripted]) -> None:
        """Each frame at its time."""
        loop = asyncio.get_running_loop()
        begin_s = loop.time() + RUN_IN_S
        for frame in script:
            await asyncio.sleep(max(0.0, begin_s + frame.at_s - loop.time()))
            self.sent_ms[frame.rtp].append(now_ms())
            for packet in frame.packets:
                await self.video.sender.transport._send_rtp(self._written(frame.ssrc, packet))

    def _written(self, ssrc: int, packet: Packet) -> bytes:
        head = bytes((0x80, packet.marker << 7 | self.payload_type))
        numbers = packet.sequence.to_bytes(2, "big") + packet.rtp.to_bytes(4, "big")
        return head + numbers + ssrc.to_bytes(4, "big") + packet.payload

    async def read_results(self, http: aiohttp.ClientSession, location: str) -> None:
        timeout = aiohttp.ClientTimeout(total=None)
        async with http.get(f"{location}/results", timeout=timeout) as response:
            assert response.status == 200
            async for line in response.content:
                if line.startswith(b"data: "):
                    message = json.loads(line[6:])
                    if message["type"] in ("detections", "dropped"):
                        self.results.append(message)
                        self._arrived.set()

    async def wait_for(self, count: int) -> None:
        """Until so many frames have ended."""
        async with asyncio.timeout(60):
            while len(self.results) < count:
                self._arrived.clear()
                await self._arrived.wait()

    @property
    def ended(self) -> Counter[int]:
        """How often a frame of each timestamp ended."""
        return Counter(each["rtp"] for each in self.results)


@asynccontextmanager
async def sending(
    url: str, slo_ms: float = 5000.0, *, edit: Callable[[str], str] = str, codec: str = "vp8"
) -> AsyncIterator[ScriptedSender]:
    """A connected sender whose results are read; gone afterwards."""
    sender = ScriptedSender(edit, codec)
    async with aiohttp.ClientSession() as http:
        reader: asyncio.Task[None] | None = None
        try:
            location = await sender.connect(http, url, slo_ms)
            reader = asyncio.create_task(sender.read_results(http, location))
            yield sender
        finally:
            if reader is not None:
                reader.cancel()
                with contextlib.suppress(asyncio.CancelledError, aiohttp.ClientError):
                    await reader
            await sender.connection.close()
