"""Decodes a source's frames and encodes them anew, as the server's hints want them.

`Encoder` is one encoder whose size, rate and bits follow; `Transcoder` decodes and encodes in a
thread of its own, with a bounded queue before it.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import av.error
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from edge.client.clocks import unix_ms
from edge.client.rtp.rtp_packetiser import Codec
from edge.publish.media.frame_pace import FramePace

SHARE = 0.9  # of the allowed bits that the encoder aims at
# Of the bits it was opened with: beyond that it is opened anew, with a key frame. Its rate control
# would take seconds to follow a cut; a rise has time.
LEAST, MOST = 0.8, 1.25
RISE_MS = 2_000.0
MOST_WAITING = 60  # frames before the decoder; then all are dropped up to the next key frame
SKIP_MS = 100.0  # of packets in the pacer: the frame is not encoded
BEHIND_MS = 200.0  # a frame decoded this long after its arrival is not encoded
_MOST_AHEAD_MS = 1000.0
_FINISH_S = 5.0
_CLOCK = Fraction(1, 90_000)


@dataclass(frozen=True, slots=True)
class Target:
    """What to encode: longest side in pixels, frames and bits a second."""

    max_edge: int
    fps: float
    bps: float


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """A frame encoded anew, or, with a `reason`, left out."""

    captured_ms: float
    data: bytes = b""
    keyframe: bool = False
    size: tuple[int, int] = (0, 0)
    reason: str = ""


def codec() -> Codec:
    """What this build of FFmpeg encodes in real time: H264, or VP8 without libx264."""
    return "h264" if "libx264" in av.codecs_available else "vp8"


def scaled(width: int, height: int, max_edge: int) -> tuple[int, int]:
    """A picture's size with its longest side at most so long; even, as 4:2:0 needs."""
    scale = min(1.0, max_edge / max(width, height))
    return max(2, 2 * round(width * scale / 2)), max(2, 2 * round(height * scale / 2))


class Encoder:
    """One picture in, one frame out; another size or far other bits begin with a key frame."""

    def __init__(self, name: Codec) -> None:
        self._name = name
        self._context: VideoCodecContext | None = None
        self._opened_bps = 0.0
        self._opened_ms = 0.0

    def encode(
        self, picture: av.VideoFrame, target: Target, *, keyframe: bool
    ) -> tuple[bytes, bool]:
        """(the frame's bytes, whether it is a key frame); no bytes if the encoder left it out.

        `picture.pts` is in ticks of 90 kHz.
        """
        bps = max(50_000.0, SHARE * target.bps)
        size = scaled(picture.width, picture.height, target.max_edge)
        ms = (picture.pts or 0) / 90.0
        context = self._context
        rises = bps > MOST * self._opened_bps and ms - self._opened_ms >= RISE_MS
        if (
            context is None
            or (context.width, context.height) != size
            or bps < LEAST * self._opened_bps
            or rises
        ):
            context = self._context = self._open(size, target.fps, bps)
            self._opened_bps, self._opened_ms = bps, ms
        elif self._name == "h264":  # libvpx's bits cannot be changed through FFmpeg
            context.bit_rate = round(min(bps, MOST * self._opened_bps))
        scaled_picture = picture.reformat(*size, format="yuv420p")
        scaled_picture.pts, scaled_picture.time_base = picture.pts, _CLOCK
        scaled_picture.pict_type = PictureType.I if keyframe else PictureType.NONE
        packets = context.encode(scaled_picture)
        return b"".join(map(bytes, packets)), any(packet.is_keyframe for packet in packets)

    def _open(self, size: tuple[int, int], fps: float, bps: float) -> VideoCodecContext:
        name = "libx264" if self._name == "h264" else "libvpx"
        context = av.CodecContext.create(name, "w")
        assert isinstance(context, VideoCodecContext)
        context.width, context.height = size
        context.pix_fmt = "yuv420p"
        context.time_base = _CLOCK
        context.framerate = Fraction(fps).limit_denominator(1000)
        context.bit_rate = round(bps)
        context.gop_size = 100_000  # key frames are asked for
        context.thread_count = 1
        limits = {"maxrate": str(round(MOST * bps)), "bufsize": str(round(0.4 * bps))}
        if self._name == "h264":
            context.options = {
                **limits,
                "preset": "ultrafast",
                "tune": "zerolatency",
                "profile": "baseline",
                "forced-idr": "1",
                "x264-params": "scenecut=0:sliced-threads=0",
            }
        else:
            context.options = {
                **limits,
                "deadline": "realtime",
                "cpu-used": "8",
                "lag-in-frames": "0",
                "error-resilient": "default",
            }
        return context


@dataclass(frozen=True, slots=True)
class _Work:
    data: bytes
    captured_ms: float
    arrival_ms: float
    keyframe: bool


class Transcoder:
    """Decodes every frame, and encodes those that `target` and the pacer have room for.

    `post(frame)` is called in its thread, once for each picture; `waiting_ms()` is asked there too.
    """

    def __init__(
        self,
        decoder: Any,
        name: Codec,
        target: Target,
        post: Callable[[EncodedFrame], None],
        waiting_ms: Callable[[], float],
    ) -> None:
        self.target = target
        self.failures = 0
        self._decoder = decoder
        self._encoder = Encoder(name)
        self._post = post
        self._waiting_ms = waiting_ms
        self._pace = FramePace()
        self._keyframe = True
        # Frames to decode. When it is full, what comes is dropped until a key frame finds room.
        self._queue: queue.Queue[_Work | Callable[[], None] | None] = queue.Queue(MOST_WAITING)
        self._broken = False
        self._captured: dict[int, tuple[float, float]] = {}
        self._number = 0
        self.thread = threading.Thread(target=self._run, name="encoder", daemon=True)
        self.thread.start()

    def request_keyframe(self) -> None:
        """Encode the next picture as a key frame."""
        self._keyframe = True

    def put(self, data: bytes, captured_ms: float, arrival_ms: float, *, keyframe: bool) -> bool:
        """Take a source frame; False if it is dropped, as decoding is far behind."""
        if self._broken and not keyframe:
            return False
        try:
            self._queue.put_nowait(_Work(data, captured_ms, arrival_ms, keyframe))
        except queue.Full:
            self._broken = True
            return False
        self._broken = False
        return True

    def finish(self, done: Callable[[], None]) -> None:
        """Decode what is left at a recording's end, then call `done` in the thread.

        Waits for room in the queue, and so must not be called in the event loop.
        """
        try:
            self._queue.put(done, timeout=_FINISH_S)
        except queue.Full:
            done()

    def stop(self) -> None:
        """Post nothing more."""
        self._post = _nothing
        try:
            self._queue.put_nowait(None)
        except queue.Full:
            self._queue.get_nowait()
            self._queue.put_nowait(None)

    def _run(self) -> None:
        while (work := self._queue.get()) is not None:
            for picture in self._decode(work if isinstance(work, _Work) else None):
                self._post(self._encode(picture))
            if not isinstance(work, _Work):
                work()

    def _decode(self, work: _Work | None) -> list[av.VideoFrame]:
        """The pictures that a frame, or with None the end, completes; their `pts` is the number of
        the frame they are of, so that reordered pictures keep their times."""
        if work is None:
            return list(self._decoder.decode(None))
        packet = av.Packet(work.data)
        packet.pts = packet.dts = self._number
        self._captured[self._number] = (work.captured_ms, work.arrival_ms)
        self._number += 1
        while len(self._captured) > MOST_WAITING:
            del self._captured[next(iter(self._captured))]
        try:
            return list(self._decoder.decode(packet))
        except av.error.FFmpegError:
            self.failures += 1  # damaged, or before the first key frame
            return []

    def _encode(self, picture: av.VideoFrame) -> EncodedFrame:
        now_ms = unix_ms()
        captured_ms, arrival_ms = self._captured.get(picture.pts or 0, (now_ms, now_ms))
        target = self.target
        self._pace.fps = target.fps
        if now_ms < captured_ms <= now_ms + _MOST_AHEAD_MS:  # of a recording, decoded beforehand
            time.sleep((captured_ms - now_ms) / 1000.0)
        if not self._pace.is_due(captured_ms):
            return EncodedFrame(captured_ms, reason="paced")
        if self._waiting_ms() > SKIP_MS or now_ms - arrival_ms > BEHIND_MS:
            return EncodedFrame(captured_ms, reason="encoder")
        wanted, self._keyframe = self._keyframe, False
        picture.pts = math.floor(captured_ms * 90.0)
        size = scaled(picture.width, picture.height, target.max_edge)
        data, keyframe = self._encoder.encode(picture, target, keyframe=wanted)
        if not data:
            self._keyframe = wanted
            return EncodedFrame(captured_ms, reason="encoder")
        return EncodedFrame(captured_ms, data, keyframe, size)


def _nothing(_: EncodedFrame) -> None:
    return None
