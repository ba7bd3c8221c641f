"""`python -m netem steady`: publishers of a fixed stream, at the least processor time.

For benchmarks of receiving: each publisher sends the same VP8 frames, encoded beforehand, each
frame as one burst, and obeys neither hints nor estimates nor requests (a loopback that keeps up
loses nothing). It notes when each frame's packets were handed to the kernel: over loopback they are
then at the receiver's socket. The command reads lines from standard input: a number sets how many
publishers send from now on, and is repeated on standard output once they do; `take` is answered
with the times since the last `take`, as JSON; the end of the input ends the command.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import json
import math
import os
import random
import sys

import aiohttp

from edge.base.clock import now_ms
from edge.client.clocks import unix_ms
from edge.client.connection import AnswerError, SenderConnection
from edge.client.publisher import CONNECT_S
from edge.client.rtp.rtp_packetiser import Packetiser
from edge.client.whip_client import PublishError, WhipClient
from edge.rtc.transport.aiortc_adapter import check
from netem.footage.encoded_clip import EncodedClip, EncodedRendition, EncodeError, Rendition

ABOUT = __doc__ or ""
_CONNECTING = 8  # handshakes at a time


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("url", metavar="URL")
    parser.add_argument("--edge", type=int, default=416, metavar="PX", help="default 416")
    parser.add_argument("--fps", type=int, default=15, metavar="N", help="default 15")
    parser.add_argument("--bps", type=float, default=1e6, metavar="N", help="default 1000000")
    parser.add_argument("--cpus", metavar="N,...", help="processors to stay on")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0, or 1 if a publisher was refused."""
    if options.cpus:
        os.sched_setaffinity(0, {int(number) for number in options.cpus.split(",")})
    try:
        check()
        encode = clip(options.edge, options.fps, options.bps)
        asyncio.run(_publish(options.url, encode, options.fps))
    except (PublishError, EncodeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def clip(long_side: int, fps: int, bps: float) -> EncodedRendition:
    """The sample clip with that longest side and about those bits a second, in all its frames."""
    width, height = EncodedClip(fps=fps, long_sides=(long_side,)).size(long_side)
    wanted = bps / (width * height * fps)
    # The encoder spends less than allowed, most of all at high rates: encode, then correct.
    for bits in (wanted, wanted * wanted / _spent(long_side, fps, wanted)):
        encode = _encode(long_side, fps, bits)
    return encode


def _spent(long_side: int, fps: int, bits: float) -> float:
    """Bits a pixel that the encoder spends when allowed so many."""
    encode = _encode(long_side, fps, bits)
    return encode.bps / (encode.width * encode.height * fps)


def _encode(long_side: int, fps: int, bits: float) -> EncodedRendition:
    rendition = Rendition(long_side, round(bits, 4))
    return EncodedClip(fps=fps, long_sides=(long_side,), bits=(rendition.bits,)).get(rendition)


class SteadyPublisher:
    """One publisher; `times` has, frame by frame, (RTP timestamp, first and last packet sent)."""

    def __init__(self, whip: WhipClient, number: int) -> None:
        self.number = number
        self.times: list[tuple[int, float, float]] = []
        self._whip = whip
        self.packets: Packetiser | None = None
        self.rtp = random.getrandbits(32)
        self._open = asyncio.Event()
        self._connection = SenderConnection(
            on_rtcp=lambda packet: None,
            on_message=lambda label, text: None,
            on_open=lambda label: self._open.set(),
            on_state=lambda state: None,
        )

    async def connect(self) -> None:
        """Publish, and wait until the connection is up. Raises PublishError."""
        label = f"steady {self.number}"
        answer = await self._whip.publish(await self._connection.offer(), {"label": label})
        try:
            self.packets = await self._connection.accept(answer)
            async with asyncio.timeout(CONNECT_S):
                await self._open.wait()
        except (AnswerError, TimeoutError) as error:
            raise PublishError(f"{self._whip.url}: {error or type(error).__name__}") from error

    def send(self, data: bytes) -> None:
        """Send a frame as one burst."""
        assert self.packets is not None
        at_ms = unix_ms()
        first_ms = 0.0
        for packet in self.packets.frame(data, self.rtp, at_ms, droppable=False):
            self._connection.send(self.packets.stamp(packet, at_ms))
            first_ms = first_ms or now_ms()
        self.times.append((self.rtp, first_ms, now_ms()))

    def report(self) -> None:
        """Send a sender report."""
        assert self.packets is not None
        name = f"steady {self.number}"
        self._connection.send(self.packets.report(self.rtp, unix_ms(), name))

    @property
    def location(self) -> str:
        """The session's path on the server."""
        return self._whip.location

    async def close(self) -> None:
        """End the connection and the session."""
        await self._connection.close()
        await self._whip.end()


class SendSchedule:
    """Frames of many publishers, each publisher's at a steady rate from a random phase. Pure."""

    def __init__(self, fps: int) -> None:
        self._interval_ms = 1000.0 / fps
        self._due: list[tuple[float, int, int]] = []  # (ms, publisher, its frame)
        self._random = random.Random(1)

    def add(self, publisher: int, at_ms: float) -> None:
        """Schedule a publisher's frames, the first within an interval of `at_ms`."""
        phase_ms = self._random.uniform(0.0, self._interval_ms)
        heapq.heappush(self._due, (at_ms + phase_ms, publisher, 0))

    @property
    def next_ms(self) -> float:
        """When the next frame is due; infinite without publishers."""
        return self._due[0][0] if self._due else math.inf

    def pop(self, at_ms: float) -> tuple[int, int] | None:
        """The (publisher, number of its frame) that is due first, if one is due by now."""
        if self.next_ms > at_ms:
            return None
        due_ms, publisher, frame = self._due[0]
        heapq.heapreplace(self._due, (due_ms + self._interval_ms, publisher, frame + 1))
        return publisher, frame


class _PublisherGroup:
    """The publishers of one process; each begins at another take of the clip."""

    def __init__(self, url: str, encode: EncodedRendition, fps: int) -> None:
        self.publishers: list[SteadyPublisher] = []
        self._url = url
        self._encode = encode
        self._fps = fps
        self._schedule = SendSchedule(fps)
        self._grown = asyncio.Event()

    async def grow(self, http: aiohttp.ClientSession, count: int) -> None:
        """Add publishers until `count` of them send."""
        places = asyncio.Semaphore(_CONNECTING)

        async def one(publisher: SteadyPublisher) -> None:
            async with places:
                await publisher.connect()

        added = [
            SteadyPublisher(WhipClient(http, self._url), number)
            for number in range(len(self.publishers), count)
        ]
        self.publishers += added
        await asyncio.gather(*map(one, added))
        begin_ms = now_ms()
        for publisher in added:
            self._schedule.add(publisher.number, begin_ms)
        self._grown.set()

    def take(self) -> dict[str, list[tuple[int, float, float]]]:
        """By location, each frame sent since the last time: (RTP timestamp, first and last packet
        sent, ms)."""
        taken = {each.location: each.times for each in self.publishers}
        for each in self.publishers:
            each.times = []
        return taken

    async def run(self) -> None:
        """Send each frame when it is due, until cancelled."""
        await self._grown.wait()
        while True:
            due = self._schedule.pop(now_ms())
            if due is not None:
                self._send(*due)
            await asyncio.sleep(max(0.0, (self._schedule.next_ms - now_ms()) / 1000.0))

    def _send(self, number: int, frame: int) -> None:
        publisher, takes = self.publishers[number], self._encode.takes
        take = takes[(number + frame // len(takes[0])) % len(takes)]
        publisher.rtp = (publisher.rtp + 90_000 // self._fps) & 0xFFFFFFFF
        publisher.send(take[frame % len(take)])
        if frame % self._fps == 0:
            publisher.report()


async def _publish(url: str, encode: EncodedRendition, fps: int) -> None:
    group = _PublisherGroup(url, encode, fps)
    sending = asyncio.create_task(group.run())
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
    )
    async with aiohttp.ClientSession() as http:
        while line := await lines.readline():
            if line.strip() == b"take":
                print(json.dumps(group.take()), flush=True)
            else:
                await group.grow(http, int(line))
                print(len(group.publishers), flush=True)
        sending.cancel()
        await asyncio.wait([sending])
        await asyncio.gather(*(each.close() for each in group.publishers))
