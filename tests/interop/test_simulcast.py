"""libwebrtc offers three layers: the largest one comes, and no other."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from edge.rtc import rtp
from edge.rtc.rtp import ExtensionIds
from tests.api.test_whip_libwebrtc import FPS, packed
from tests.rtc.publishing import Watcher
from tests.serving import noise

webrtc = pytest.importorskip("webrtc", reason="wrtc (libwebrtc) does not install on this system")

pytestmark = pytest.mark.interop

WIDTH, HEIGHT = 640, 384
SCALES = {"q": 4.0, "h": 2.0, "f": 1.0}


async def _play(generator: Any) -> None:
    loop = asyncio.get_running_loop()
    writer = generator.writable.get_writer()
    pictures = [packed(frame) for frame in noise(WIDTH, HEIGHT)]
    began_s, number = loop.time(), 0
    while True:
        init = webrtc.VideoFrameBufferInit(
            format="I420",
            coded_width=WIDTH,
            coded_height=HEIGHT,
            timestamp=number * 1_000_000 // FPS,
        )
        await writer.write(webrtc.VideoFrame(pictures[number // FPS % len(pictures)], init))
        number += 1
        await asyncio.sleep(max(0.0, began_s + number / FPS - loop.time()))


@pytest.mark.parametrize("order", ["qhf", "fhq"])
async def test_the_best_layer_comes_and_no_other(
    order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = Watcher(slo_ms=2000.0)
    sources: set[int] = set()
    publisher = webrtc.RTCPeerConnection()
    generator = webrtc.VideoTrackGenerator()
    encodings = [
        webrtc.RTCRtpEncodingParameters(rid=rid, scale_resolution_down_by=SCALES[rid])
        for rid in order
    ]
    publisher.add_transceiver(
        generator.track,
        webrtc.RTCRtpTransceiverInit(direction="sendonly", send_encodings=encodings),
    )
    gathered = asyncio.Event()

    def on_state(_: object) -> None:
        if publisher.ice_gathering_state == "complete":
            gathered.set()

    publisher.on("icegatheringstatechange", on_state)
    await publisher.set_local_description(await publisher.create_offer())
    async with asyncio.timeout(20):
        await gathered.wait()
    answer = await watcher.peer.answer(publisher.local_description.sdp)
    assert "a=simulcast:recv f\r\n" in answer
    receiver = watcher.peer._receiver
    assert receiver is not None
    take = receiver.handle_rtp

    def counted(data: bytes, arrival_ms: float) -> None:
        packet = rtp.parse_rtp(data, ExtensionIds())
        if packet is not None and packet.payload_type in receiver._codecs:
            sources.add(packet.ssrc)
        take(data, arrival_ms)

    transport: Any = watcher.peer._transport
    monkeypatch.setattr(transport, "_on_rtp", counted)
    playing = asyncio.create_task(_play(generator))
    try:
        await publisher.set_remote_description(
            webrtc.RTCSessionDescriptionInit(type="answer", sdp=answer)
        )
        await watcher.until(lambda: len(watcher.frames) >= 2 * FPS)
        first = watcher.frames[0]
        assert (first.width, first.height) == (WIDTH, HEIGHT)
        assert len(sources) == 1
    finally:
        playing.cancel()
        with suppress(asyncio.CancelledError):
            await playing
        publisher.close()
        await watcher.peer.close()
