"""A WHIP publisher without a browser: aiortc's own sender, for tests of the server's side."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from fractions import Fraction
from typing import Any

import aiohttp
import av
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.rtcconfiguration import RTCIceTransportPolicy

Predicate = Callable[[dict[str, Any]], bool]


class FramesTrack(MediaStreamTrack):
    """Frames in turn, again and again, at a steady rate."""

    kind = "video"

    def __init__(self, frames: Sequence[av.VideoFrame], fps: int) -> None:
        super().__init__()
        # Copies: an encoder refuses a frame whose timestamp another track has changed meanwhile.
        self.frames = [_copy(each) for each in frames]
        self._fps = fps
        self._index = 0
        self._begin: float | None = None
        self.running = asyncio.Event()  # cleared: the camera falls silent, without a word
        self.running.set()

    async def recv(self) -> av.VideoFrame:
        await self.running.wait()
        now = time.monotonic()
        self._begin = now if self._begin is None else self._begin
        await asyncio.sleep(max(0.0, self._begin + self._index / self._fps - now))
        frame = self.frames[self._index % len(self.frames)]
        frame.pts = self._index * 90_000 // self._fps
        frame.time_base = Fraction(1, 90_000)
        self._index += 1
        return frame

    @property
    def sent(self) -> int:
        """Frames handed to the encoder so far."""
        return self._index


def _copy(frame: av.VideoFrame) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(frame.to_ndarray(), format=frame.format.name)


class WhipPublisher:
    """A connection that has been answered; messages are kept as they come."""

    def __init__(
        self, track: FramesTrack, channels: bool = True, relay: RTCIceServer | None = None
    ) -> None:
        """With `relay`, a TURN server, no packet takes another way."""
        configuration = RTCConfiguration(iceServers=[])
        if relay is not None:
            configuration = RTCConfiguration([relay], RTCIceTransportPolicy.RELAY)
        self.connection = RTCPeerConnection(configuration)
        self.track = track
        self.messages: list[dict[str, Any]] = []
        self.location = ""
        self.response: Mapping[str, str] = {}
        self._arrived = asyncio.Condition()
        self.connection.addTrack(track)
        if channels:
            self.control = self.connection.createDataChannel("control")
            self.results = self.connection.createDataChannel(
                "results", ordered=False, maxRetransmits=0
            )
            for channel in (self.control, self.results):
                channel.on("message", self._on_message)

    async def publish(
        self,
        http: aiohttp.ClientSession,
        url: str,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        async with http.post(
            f"{url}/whip",
            data=self.connection.localDescription.sdp,
            headers={"Content-Type": "application/sdp", **(headers or {})},
            params=query,
        ) as response:
            answer = await response.text()
            assert response.status == 201, answer
            self.location = url + response.headers["Location"]
            self.response = response.headers
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    def send(self, kind: str, **fields: object) -> None:
        self.control.send(json.dumps({"type": kind, **fields}))

    async def wait_for(self, wanted: Predicate, timeout: float = 60.0) -> dict[str, Any]:
        """The first message, come or to come, that is wanted."""
        try:
            async with asyncio.timeout(timeout), self._arrived:
                while True:
                    for each in self.messages:
                        if wanted(each):
                            return each
                    await self._arrived.wait()
        except TimeoutError:
            raise TimeoutError(f"not within {timeout} s; {self._state()}") from None

    def _state(self) -> str:
        """How far the connection came, for the message of a test that waited in vain."""
        me = self.connection
        [dtls] = {each.sender.transport for each in me.getTransceivers()}
        states = {
            "connection": me.connectionState,
            "ice": me.iceConnectionState,
            "dtls": dtls.state,
            "sctp": me.sctp and me.sctp.state,
            "control": getattr(getattr(self, "control", None), "readyState", None),
            "results": getattr(getattr(self, "results", None), "readyState", None),
            "frames": self.track.sent,
            "messages": Counter(each["type"] for each in self.messages),
        }
        last = json.dumps(self.messages[-3:])[:600]
        return ", ".join(f"{name}: {state}" for name, state in states.items()) + f"; last: {last}"

    async def wait_for_answers(self, more: int = 1, timeout: float = 60.0) -> None:
        """Until so many more frames have been answered than by now."""
        enough = len(self.of_type("detections")) + more
        await self.wait_for(lambda _: len(self.of_type("detections")) >= enough, timeout)

    async def wait_for_type(self, kind: str, timeout: float = 60.0) -> dict[str, Any]:
        return await self.wait_for(lambda each: each["type"] == kind, timeout)

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [each for each in self.messages if each["type"] == kind]

    async def _on_message(self, text: str) -> None:
        self.messages.append(json.loads(text))
        async with self._arrived:
            self._arrived.notify_all()


@asynccontextmanager
async def publishing(
    url: str,
    frames: Sequence[av.VideoFrame],
    *,
    fps: int = 15,
    query: dict[str, str] | None = None,
    channels: bool = True,
    headers: dict[str, str] | None = None,
) -> AsyncIterator[WhipPublisher]:
    """A publisher streaming `frames` to the server at `url`; gone afterwards."""
    publisher = WhipPublisher(FramesTrack(frames, fps), channels)
    try:
        async with aiohttp.ClientSession() as http:
            await publisher.publish(http, url, query, headers)
            yield publisher
    finally:
        await publisher.connection.close()
