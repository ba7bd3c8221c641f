"""Chromium sends three layers of a picture, as many as the answer takes: the figures of
docs/use/publishers.md.

    python -m tests.interop.chromium_simulcast [--codec VP8|H264] [--seconds N]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from playwright.async_api import Page

from edge.assets.browser import chromium
from edge.rtc import rtp
from edge.rtc.decoding.decoded_frame import DecodedFrame
from edge.rtc.rtp import ExtensionIds
from edge.rtc.video_receiver import VideoReceiver
from edge.session.frames.frame_accounting import FrameAccounting
from tests.serving import base, local, serving

# Publishes a moving picture in the layers of `order`, where ~ stands before an inactive one; with
# `all`, it sends all of them although the answer asks for one. Returns the frames sent of each
# layer once all have arrived.
_PAGE = """
async ([codec, order, all, seconds, width, height]) => {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d");
  let drawn = 0;
  const timer = setInterval(() => {
    drawn += 7;
    for (let cell = 0; cell < 96; cell++) {
      const [column, row] = [cell % 12, Math.floor(cell / 12)];
      context.fillStyle = `hsl(${(drawn + 37 * column + 91 * row) % 360} 80% 50%)`;
      const [left, top] = [(column * width) / 12 + (drawn % 20), (row * height) / 8];
      context.fillRect(left, top, width / 12, height / 8);
    }
  }, 66);
  const connection = new RTCPeerConnection();
  const [track] = canvas.captureStream(15).getVideoTracks();
  const scales = { q: 4, h: 2, f: 1 };
  const transceiver = connection.addTransceiver(track, {
    direction: "sendonly",
    sendEncodings: order.match(/~?\\w/g).map((each) => {
      const rid = each.replace("~", "");
      return { rid, active: rid === each, scaleResolutionDownBy: scales[rid] };
    }),
  });
  const known = RTCRtpSender.getCapabilities("video").codecs;
  const of = (type) => known.filter((each) => each.mimeType === `video/${type}`);
  transceiver.setCodecPreferences([...of(codec), ...of("rtx")]);
  await connection.setLocalDescription(await connection.createOffer());
  const response = await fetch("/whip?slo_ms=2000", {
    method: "POST", body: connection.localDescription.sdp,
    headers: { "Content-Type": "application/sdp" },
  });
  let answer = await response.text();
  if (all) {
    const rids = order.match(/\\w/g);
    const lines = rids.map((rid) => `a=rid:${rid} recv\\r\\n`).join("");
    answer = answer.replace(/a=rid:\\w+ recv\\r\\n/, lines);
    answer = answer.replace(/a=simulcast:recv \\w+/, `a=simulcast:recv ${rids.join(";")}`);
  }
  try {
    await connection.setRemoteDescription({ type: "answer", sdp: answer });
    await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
    await transceiver.sender.replaceTrack(null);
    await new Promise((resolve) => setTimeout(resolve, 2500));
    const stats = [...(await transceiver.sender.getStats()).values()];
    const layers = stats.filter((each) => each.type === "outbound-rtp");
    return Object.fromEntries(layers.map((each) => [each.rid ?? "f", each.framesSent ?? 0]));
  } finally {
    clearInterval(timer);
    connection.close();
  }
}
"""


@dataclass(slots=True)
class Sent:
    """What came of one publication: bytes of RTP by layer size or stream, the frames that Chromium
    has sent of each rid, the sizes of the pictures served, and the frames' outcomes."""

    bytes: int = 0
    sources: set[int] = field(default_factory=set)
    frames: dict[str, int] = field(default_factory=dict)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)


@asynccontextmanager
async def chromium_page() -> AsyncIterator[Page]:
    async with chromium() as context:
        yield await context.new_page()


async def publish(
    page: Page,
    codec: str = "VP8",
    order: str = "qhf",
    *,
    all_layers: bool = False,
    seconds: float = 5.0,
    size: tuple[int, int] = (640, 360),
) -> Sent:
    """Three layers to a server of its own."""
    sent = Sent()
    decoded, handle = FrameAccounting.decoded, VideoReceiver.handle_rtp

    def noted(self: FrameAccounting, frame: DecodedFrame, *arguments: Any) -> None:
        sent.sizes.append((frame.width, frame.height))
        decoded(self, frame, *arguments)

    def counted(self: VideoReceiver, data: bytes, arrival_ms: float) -> None:
        packet = rtp.parse_rtp(data, ExtensionIds())
        sent.bytes += len(data)
        if packet is not None and packet.payload_type in self._codecs:
            sent.sources.add(packet.ssrc)
        handle(self, data, arrival_ms)

    with (
        patch.object(FrameAccounting, "decoded", noted),
        patch.object(VideoReceiver, "handle_rtp", counted),
    ):
        async with serving() as server:
            await page.goto(f"{base(server)}/metrics")
            publishing = asyncio.ensure_future(
                page.evaluate(_PAGE, [codec, order, all_layers, seconds, *size])
            )
            while not (sessions := local(server)) and not publishing.done():
                await asyncio.wait([publishing], timeout=0.05)
            sent.frames = await publishing
            sent.outcomes = Counter(sessions[0].outcomes)
    return sent


async def main() -> int:
    parser = argparse.ArgumentParser(description="What the layers of a simulcast cost the uplink.")
    parser.add_argument("--codec", choices=["VP8", "H264"], default="VP8")
    parser.add_argument("--seconds", type=float, default=15.0)
    options = parser.parse_args()
    print("| the answer takes | Mbit/s | pictures served | frames sent | outcomes |")
    print("| --- | --- | --- | --- | --- |")
    for name, all_layers in (("one layer", False), ("all three", True)):
        async with chromium_page() as page:
            sent = await publish(
                page,
                options.codec,
                all_layers=all_layers,
                seconds=options.seconds,
                size=(1280, 720),
            )
        sizes = Counter(f"{width}x{height}" for width, height in sent.sizes)
        cells = (
            name,
            f"{8e-6 * sent.bytes / options.seconds:.2f}",
            ", ".join(f"{count} of {size}" for size, count in sizes.items()),
            ", ".join(f"{rid} {count}" for rid, count in sent.frames.items()),
            ", ".join(f"{count} {outcome}" for outcome, count in sorted(sent.outcomes.items())),
        )
        print("| " + " | ".join(cells) + " |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
