"""A WHIP publisher of another project: libwebrtc without a browser, no data channels, and its
detections by server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import av
import pytest

from tests.serving import base, noise, serving

webrtc = pytest.importorskip("webrtc", reason="wrtc (libwebrtc) does not install on this system")

WIDTH, HEIGHT, FPS = 320, 192, 15


def packed(frame: av.VideoFrame) -> bytes:
    """The planes of an I420 picture, without padding."""
    return bytes(frame.to_ndarray(format="yuv420p").tobytes())


async def _play(generator: Any, frames: Sequence[av.VideoFrame]) -> None:
    """The frames in turn, at a steady rate, until cancelled."""
    loop = asyncio.get_running_loop()
    writer = generator.writable.get_writer()
    pictures = [packed(frame) for frame in frames]
    began_s, number = loop.time(), 0
    while True:
        init = webrtc.VideoFrameBufferInit(
            format="I420",
            coded_width=WIDTH,
            coded_height=HEIGHT,
            timestamp=number * 1_000_000 // FPS,
        )
        await writer.write(webrtc.VideoFrame(pictures[number % len(pictures)], init))
        number += 1
        await asyncio.sleep(max(0.0, began_s + number / FPS - loop.time()))


@asynccontextmanager
async def _publishing(http: aiohttp.ClientSession, url: str) -> AsyncIterator[str]:
    """A publisher as its documentation has one, and its resource's URL; gone afterwards."""
    connection = webrtc.RTCPeerConnection()
    generator = webrtc.VideoTrackGenerator()
    connection.add_track(generator.track)
    gathered = asyncio.Event()

    def on_state(_: object) -> None:
        if connection.ice_gathering_state == "complete":
            gathered.set()

    connection.on("icegatheringstatechange", on_state)
    await connection.set_local_description(await connection.create_offer())
    async with asyncio.timeout(20):
        await gathered.wait()
    headers = {"Content-Type": "application/sdp"}
    offer = connection.local_description.sdp
    assert "m=application" not in offer
    async with http.post(f"{url}/whip?slo_ms=1000", data=offer, headers=headers) as response:
        answer = await response.text()
        assert response.status == 201, answer
        location = url + response.headers["Location"]
    playing = asyncio.create_task(_play(generator, noise(WIDTH, HEIGHT)))
    try:
        await connection.set_remote_description(
            webrtc.RTCSessionDescriptionInit(type="answer", sdp=answer)
        )
        yield location
    finally:
        playing.cancel()
        await asyncio.wait([playing])
        connection.close()
        async with http.delete(location) as response:
            assert response.status in (200, 404)


async def _events(stream: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    async for line in stream.content:
        if line.startswith(b"data: "):
            yield json.loads(line[6:])


async def test_libwebrtc_publishes_and_gets_its_detections_by_event_stream() -> None:
    async with (
        serving() as server,
        aiohttp.ClientSession() as http,
        _publishing(http, base(server)) as location,
        http.get(f"{location}/results") as stream,
    ):
        events: list[dict[str, Any]] = []
        async with asyncio.timeout(60):
            async for event in _events(stream):
                events.append(event)
                if sum(each["type"] == "detections" for each in events) >= 10:
                    break
        [session] = server.sessions
        assert events[0]["type"] == "welcome"
        assert events[0]["session"] == session.id
        answers = [each for each in events if each["type"] == "detections"]
        stamps = [answer["rtp"] for answer in answers]
        assert len(set(stamps)) == len(stamps)
        assert any(answer["boxes"] for answer in answers)
        assert set(answers[0]["t"]) == {
            *("captured", "received", "decoded", "dispatched", "inferred", "sent")
        }
        await server.sessions.close(session, "the test is over")
        async with asyncio.timeout(20):
            rest = [event async for event in _events(stream)]  # ends, since the session has
        assert rest[-1] == {"type": "bye", "code": "ended", "message": "the test is over"}
