"""Sources that encode the same captures live, and a receiver on a clock that the test moves."""

from __future__ import annotations

import asyncio
import functools
import random
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from fractions import Fraction
from unittest.mock import patch

import av
from aiortc import rtp
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from edge.base.clock import now_ms
from edge.rtc import video_receiver
from edge.rtc.bwe.bandwidth_estimator import BandwidthEstimator
from edge.rtc.clock.capture_clock import CaptureClock
from edge.rtc.decoding.decoded_frame import DecodedFrame
from edge.rtc.rtp import ExtensionIds
from edge.rtc.sources.frame_ledger import UNSERVED_MS
from edge.rtc.video_receiver import VideoReceiver
from tests.rtc.streams import FRAME_MS, PER_FRAME, Encoded, packetise, picture

PAYLOAD_TYPES = {"vp8": 97, "h264": 99}
STREAM_ID = 4  # the header extension of rids


@functools.cache
def _picture(index: int, width: int, height: int) -> av.VideoFrame:
    return picture(index, width, height)


class Layer:
    """One source: an encoder that makes a key frame at first and when it was asked for one.

    Its timestamps are `offset` ahead of the captures'.
    """

    def __init__(
        self,
        ssrc: int,
        size: tuple[int, int],
        *,
        codec: str = "vp8",
        offset: int = 0,
        rid: str = "",
    ) -> None:
        self.ssrc, self.size, self.codec, self.offset = ssrc, size, codec, offset
        self.rid = rid.encode()
        self.payload_type = PAYLOAD_TYPES[codec]
        self.asked = True
        self.requests = 0
        self._sequence = random.Random(ssrc).randrange(1 << 16)
        width, height = size
        context = av.CodecContext.create("libvpx" if codec == "vp8" else "libx264", "w")
        assert isinstance(context, VideoCodecContext)
        context.thread_count = 1  # several would wait for each other busily
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.bit_rate, context.time_base, context.gop_size = 400_000, Fraction(1, 15), 9999
        context.options = (
            {"deadline": "realtime", "cpu-used": "-8", "lag-in-frames": "0"}
            if codec == "vp8"
            else {"tune": "zerolatency", "preset": "ultrafast", "x264-params": "scenecut=0"}
        )
        self._context = context

    def ask(self) -> None:
        self.asked, self.requests = True, self.requests + 1

    def rtp(self, index: int) -> int:
        return (PER_FRAME * index + self.offset) & 0xFFFFFFFF

    def packets(self, index: int) -> list[bytes]:
        """The frame of a capture, as RTP."""
        frame = _picture(index % 16, *self.size)
        frame.pts = index
        frame.pict_type = PictureType.I if self.asked else PictureType.NONE
        (packet,) = self._context.encode(frame)
        self.asked = False
        encoded = Encoded(bytes(packet), packet.is_keyframe)
        [cut] = packetise(
            self.codec, [encoded], size=1000, sequence=self._sequence, rtp=self.rtp(index)
        )
        self._sequence = (cut[-1].sequence + 1) & 0xFFFF
        written = [
            rtp.RtpPacket(
                payload_type=self.payload_type,
                marker=int(each.marker),
                sequence_number=each.sequence,
                timestamp=each.rtp,
                ssrc=self.ssrc,
                payload=each.payload,
            ).serialize()
            for each in cut
        ]
        return [self._with_rid(each) for each in written] if self.rid else written

    def _with_rid(self, packet: bytes) -> bytes:
        element = bytes([STREAM_ID << 4 | len(self.rid) - 1]) + self.rid
        element += bytes(-len(element) % 4)
        head = b"\xbe\xde" + (len(element) // 4).to_bytes(2, "big")
        return bytes([packet[0] | 0x10]) + packet[1:12] + head + element + packet[12:]


class Receiving:
    """A receiver; `sizes` are those of the pictures served, `ends` how often a timestamp ended."""

    def __init__(
        self, sources: Sequence[Layer], layers: Collection[int], pairs: Mapping[int, int] | None
    ) -> None:
        self.at_ms = now_ms()
        self.sizes: list[tuple[int, int]] = []
        self.ends: Counter[int] = Counter()
        self.reasons: Counter[str] = Counter()
        self._sources = {each.ssrc: each for each in sources}
        self._news = asyncio.Event()
        self.receiver = VideoReceiver(
            codecs={number: name for name, number in PAYLOAD_TYPES.items()},
            retransmissions={98: 97},
            extensions=ExtensionIds(stream_id=STREAM_ID),
            send_rtcp=self._feedback,
            on_frame=self._frame,
            on_lost=self._lost,
            clock=CaptureClock(),
            estimator=BandwidthEstimator(),
            slo_ms=5000.0,
            layers=layers,
            pairs=pairs,
        )

    def _frame(self, frame: DecodedFrame) -> None:
        self.sizes.append((frame.width, frame.height))
        self._end([frame.rtp], "served")

    def _lost(self, rtps: Sequence[int], reason: str) -> None:
        self._end(rtps, reason)

    def _end(self, rtps: Iterable[int], reason: str) -> None:
        for each in rtps:
            self.ends[each] += 1
            self.reasons[reason] += 1
        self._news.set()

    def _feedback(self, compound: bytes) -> bool:
        for part in rtp.RtcpPacket.parse(compound):
            if isinstance(part, rtp.RtcpPsfbPacket) and part.fmt == rtp.RTCP_PSFB_PLI:
                self._sources[part.media_ssrc].ask()
        return True

    def pass_time(self, until_ms: float) -> None:
        """The heartbeat, up to a time."""
        while self.at_ms < until_ms:
            self.at_ms = min(until_ms, self.at_ms + 25.0)
            self.receiver._on_tick()

    async def capture(self, index: int, sources: Iterable[Layer]) -> None:
        """A frame of each source, in order, a millisecond apart; then the time to the next one."""
        began_ms = self.at_ms
        for source in sources:
            for packet in source.packets(index):
                self.receiver.handle_rtp(packet, self.at_ms)
            self.at_ms += 1.0
        await self.decoded()
        self.pass_time(began_ms + FRAME_MS)

    async def decoded(self) -> None:
        """Until the decoder has nothing to do."""
        decoder = self.receiver._decoder
        busy = decoder._threads is not None
        while busy:
            busy, idle, threads = decoder._busy, asyncio.Event(), decoder._threads
            assert threads is not None
            threads.submit(
                functools.partial(threads.call_in_loop, idle.set)
            )  # behind the decoder's next job
            async with asyncio.timeout(60):
                await idle.wait()

    async def finish(self) -> None:
        """The publisher falls silent, for long enough that every frame has ended."""
        self.pass_time(self.at_ms + UNSERVED_MS + 100.0)
        self.receiver._on_poll()
        await self.decoded()


@asynccontextmanager
async def receiving(
    *sources: Layer, layers: Collection[int] = (), pairs: Mapping[int, int] | None = None
) -> AsyncIterator[Receiving]:
    running = Receiving(sources, layers, pairs)
    with patch.object(video_receiver, "now_ms", lambda: running.at_ms):
        yield running
        running.receiver.close()
        await running.receiver.closed()
