"""What is negotiated with whom: the table of docs/use/publishers.md, measured.

    python -m tests.interop.codec_table [--only NAME ...]

Publishers that are not installed are left out, with the reason on standard error. Each one offers
one codec alone, publishes for some seconds, and its frames are counted on both sides.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import aiohttp
import av

from edge.assets.browser import BrowserMissingError, chromium
from edge.rtc import peer_connection
from edge.rtc.sdp import write_answer
from tests.browser.conftest import firefox_path
from tests.browser.firefox import firefox
from tests.interop.certificates import p256, write_certificate
from tests.interop.node_publishers import installed, program, write_stream
from tests.interop.whip import FFMPEG, GSTREAMER, gstreamer_missing, publish
from tests.npm import NpmMissingError
from tests.rtc.publishing import Publisher
from tests.serving import base, local, serving

FRAMES = 60
SECONDS = 6.0  # for which browsers publish
CODECS = ("VP8", "H264", "VP9", "AV1")

# Publishes a moving picture, one codec alone, in a scalability mode if one is given; returns what
# was refused, or how many frames were sent. The canvas draws at 15 frames a second.
PAGE = """
async ([codec, seconds, scalabilityMode]) => {
  const known = RTCRtpSender.getCapabilities("video").codecs;
  const wanted = known.filter((each) => each.mimeType === `video/${codec}`);
  if (!wanted.length) return { refused: "not offered by it" };
  const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 384 });
  const context = canvas.getContext("2d");
  let drawn = 0;
  const timer = setInterval(() => {
    context.fillStyle = `hsl(${(drawn += 7) % 360} 80% 50%)`;
    context.fillRect(drawn % 640, 0, 160, 384);
  }, 66);
  const connection = new RTCPeerConnection();
  const [track] = canvas.captureStream(15).getVideoTracks();
  const transceiver = connection.addTransceiver(track, {
    direction: "sendonly", ...(scalabilityMode && { sendEncodings: [{ scalabilityMode }] }),
  });
  const rtx = known.filter((each) => each.mimeType === "video/rtx");
  transceiver.setCodecPreferences([...wanted, ...rtx]);
  await connection.setLocalDescription(await connection.createOffer());
  const response = await fetch("/whip?slo_ms=2000", {
    method: "POST", body: connection.localDescription.sdp,
    headers: { "Content-Type": "application/sdp" },
  });
  try {
    if (response.status !== 201) return { refused: (await response.json()).error.message };
    await connection.setRemoteDescription({ type: "answer", sdp: await response.text() });
    await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
    await transceiver.sender.replaceTrack(null);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const stats = [...(await transceiver.sender.getStats()).values()];
    return { sent: stats.find((each) => each.type === "outbound-rtp")?.framesSent ?? 0 };
  } finally {
    clearInterval(timer);
    connection.close();
  }
}
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One publisher with one codec; `outcomes` counts frames, `note` says why there are none."""

    publisher: str
    offered: str
    negotiated: str = "-"
    sent: int = 0
    outcomes: Counter[str] | None = None
    note: str = ""

    def markdown(self) -> str:
        outcomes = self.outcomes or Counter()
        others = ", ".join(
            f"{n} {name}" for name, n in sorted(outcomes.items()) if name != "answered"
        )
        counts = f"{outcomes['answered']} of {self.sent}" if self.sent else "-"
        cells = (self.publisher, self.offered, self.negotiated, counts, others or self.note or "-")
        return "| " + " | ".join(cells) + " |"


class Answers:
    """The answers that were given, in turn."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def write(self, *arguments: Any, **options: Any) -> str:
        self.texts.append(write_answer(*arguments, **options))
        return self.texts[-1]

    def take(self) -> str:
        """The first codec of the last answer, with its profile; "-" if there was none."""
        if not self.texts:
            return "-"
        text = self.texts.pop()
        self.texts.clear()
        video = text[text.index("m=video") :]
        number = video.split()[3]
        codec = re.search(rf"a=rtpmap:{number} (\w+)", video)
        profile = re.search(rf"a=fmtp:{number} .*profile-level-id=(\w+)", video)
        mode = re.search(rf"a=fmtp:{number} .*packetization-mode=(\d)", video)
        words = [codec[1] if codec else "?"]
        words += [profile[1]] if profile else []
        words += [f"mode {mode[1]}"] if mode else []
        return " ".join(words)


async def of_program(
    answers: Answers, name: str, offered: str, program: Sequence[str], options: Sequence[str]
) -> Row:
    published = await publish(program, "--frames", str(FRAMES), *options)
    if published.status:
        words = re.findall(r'"message": *"([^"]+)"', published.output.replace("\\", ""))
        return Row(name, offered, answers.take(), note=published.bye or "; ".join(words))
    return Row(name, offered, answers.take(), published.sent, published.outcomes)


async def gstreamer(answers: Answers) -> AsyncIterator[Row]:
    if missing := gstreamer_missing():
        raise FileNotFoundError(missing)
    for offered, options in (
        ("VP8", "--codec vp8"),
        ("H264 constrained baseline", "--codec h264"),
        ("H264 main", "--codec h264 --profile main"),
        ("H264 high", "--codec h264 --profile high"),
        ("VP9", "--codec vp9"),
    ):
        yield await of_program(answers, "GStreamer webrtcbin", offered, GSTREAMER, options.split())


async def ffmpeg(answers: Answers) -> AsyncIterator[Row]:
    if "whip" not in av.formats_available:
        raise FileNotFoundError("PyAV's FFmpeg has no WHIP muxer")
    name = "FFmpeg WHIP muxer (GnuTLS)"
    with tempfile.TemporaryDirectory() as folder:
        certificate = write_certificate(Path(folder), p256())
        for profile in ("baseline", "main", "high"):
            options = ["--profile", profile, *certificate]
            yield await of_program(answers, name, f"H264 {profile}", FFMPEG, options)
        yield await of_program(answers, name, "H264, its own certificate", FFMPEG, [])


async def on_node(answers: Answers, name: str, package: str) -> AsyncIterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        version = json.loads((installed() / "package.json").read_text())["dependencies"][package]
        title = f"{name} {version}" if name == package else f"{name} ({package} {version})"
        for codec in CODECS:
            stream = write_stream(Path(folder, "stream.rtp"), codec.lower(), FRAMES)
            options = ["--codec", codec.lower()]
            yield await of_program(answers, title, codec, program(name, stream), options)


def werift(answers: Answers) -> AsyncIterator[Row]:
    return on_node(answers, "werift", "werift")


def libdatachannel(answers: Answers) -> AsyncIterator[Row]:
    return on_node(answers, "libdatachannel", "node-datachannel")


async def aiortc(answers: Answers) -> AsyncIterator[Row]:
    for codec in ("VP8", "H264"):
        async with serving() as server:
            publisher = Publisher(codec)
            async with aiohttp.ClientSession() as http:
                response = await http.post(
                    f"{base(server)}/whip?slo_ms=2000",
                    data=await publisher.offer(),
                    headers={"Content-Type": "application/sdp"},
                )
                await publisher.accept(await response.text())
                [session] = local(server)
                await asyncio.sleep(SECONDS)
                publisher.camera.stop()
                await asyncio.sleep(1.0)
                await publisher.connection.close()
            yield Row(
                "aiortc", codec, answers.take(), len(publisher.sent), Counter(session.outcomes)
            )


async def browser(
    answers: Answers, name: str, evaluate: Callable[[str, str], Awaitable[Any]]
) -> AsyncIterator[Row]:
    for codec in CODECS:
        async with serving() as server:
            task = asyncio.ensure_future(evaluate(f"{base(server)}/metrics", codec))
            session = None
            while session is None and not task.done():
                session = next(iter(local(server)), None)
                await asyncio.wait([task], timeout=0.05)
            outcome = await task
            refused = outcome.get("refused", "")
            counts = Counter(session.outcomes) if session is not None else None
            yield Row(name, codec, answers.take(), outcome.get("sent", 0), counts, refused)


async def of_chromium(answers: Answers) -> AsyncIterator[Row]:
    async with chromium() as context:
        page = await context.new_page()
        version = context.browser.version if context.browser is not None else ""

        async def evaluate(url: str, codec: str) -> Any:
            await page.goto(url)
            return await page.evaluate(PAGE, [codec, SECONDS])

        async for row in browser(answers, f"Chromium {version}".strip(), evaluate):
            yield row


async def of_firefox(answers: Answers) -> AsyncIterator[Row]:
    path = firefox_path()
    if path is None:
        raise FileNotFoundError("Firefox is not installed")
    with firefox(path) as running:

        async def evaluate(url: str, codec: str) -> Any:
            def work() -> Any:
                running.open(url)
                outcome = running.run(f"return await ({PAGE})(args);", codec, SECONDS)
                return outcome.get("value", {"refused": outcome.get("error", "")})

            return await asyncio.to_thread(work)

        async for row in browser(answers, "Firefox ESR", evaluate):
            yield row


async def libwebrtc(answers: Answers) -> AsyncIterator[Row]:
    from tests.api import test_whip_libwebrtc as wrtc  # skips where it is missing

    async with serving() as server, aiohttp.ClientSession() as http:
        async with wrtc._publishing(http, base(server)):
            [session] = local(server)
            await asyncio.sleep(SECONDS)
        counts = Counter(session.outcomes)
        yield Row("wrtc (libwebrtc)", "all of its own", answers.take(), counts.total(), counts)


PUBLISHERS = {
    "chromium": of_chromium,
    "firefox": of_firefox,
    "wrtc": libwebrtc,
    "aiortc": aiortc,
    "gstreamer": gstreamer,
    "ffmpeg": ffmpeg,
    "werift": werift,
    "libdatachannel": libdatachannel,
}


async def main() -> int:
    parser = argparse.ArgumentParser(description="What is negotiated with whom, as a table.")
    parser.add_argument("--only", nargs="*", choices=PUBLISHERS, default=list(PUBLISHERS))
    answers = Answers()
    print("| publisher | offers | negotiated | answered | other outcomes, or why not |")
    print("| --- | --- | --- | --- | --- |")
    with patch.object(peer_connection, "write_answer", answers.write):
        for name in parser.parse_args().only:
            try:
                async for row in PUBLISHERS[name](answers):
                    print(row.markdown(), flush=True)
            except (FileNotFoundError, BrowserMissingError, NpmMissingError) as missing:
                print(f"{name}: {missing}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
