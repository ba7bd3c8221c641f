"""A source that is being read, its frames on their way to a publisher: whole, timed, and encoded
anew where they cannot be passed through."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable

from edge.client.clocks import unix_ms
from edge.client.rtp.rtp_packetiser import Codec
from edge.client.video_sender import START_BPS
from edge.publish.camera_publisher import START_EDGE, CameraPublisher
from edge.publish.media import encoder
from edge.publish.media.capture_times import CaptureTimes
from edge.publish.media.encoder import EncodedFrame, Target, Transcoder
from edge.publish.media.frame_assembler import AssembledFrame, FrameAssembler
from edge.publish.media.passthrough import ReadyFrame, stream_of
from edge.publish.media.presentation_order import PresentationOrder
from edge.publish.media.source import SourceError, SourceInfo, SourcePacket, SourceReader
from edge.publish.options import SourceOptions
from edge.publish.output import SourceOutput

THREADS_S = 1.0  # for a source's threads to end
NO_FRAME_MS = 10_000.0  # a source without a frame for so long is opened again
_PASSED: dict[str, Codec] = {"h264": "h264", "vp8": "vp8"}


class OpenSource:
    """A source that is being read: its frames go to `publisher`, if that is connected.

    A `successor` takes them over with the next key frame, so that each frame is sent once.
    """

    def __init__(self, options: SourceOptions, output: SourceOutput) -> None:
        self.publisher: CameraPublisher | None = None
        self.successor: CameraPublisher | None = None
        self.over = asyncio.Event()
        self.error: SourceError | None = None
        self.reordered = False
        self.times = CaptureTimes(options.capture_clock)
        self.transcoder: Transcoder | None = None
        self.codec: Codec = "h264"
        self._options = options
        self._output = output
        self._reader = SourceReader(options, self._on_packet, self._on_end)
        self._assembler: FrameAssembler | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._stream = stream_of("h264", b"")
        self._keys = _Keys("")
        self._order = PresentationOrder()
        self._heard_ms = unix_ms()

    async def open(self, *, reordered: bool) -> SourceInfo:
        """Open it; a source with reordered frames is encoded anew. Raises SourceError."""
        info = await self._reader.open()
        passed = _PASSED.get(info.codec)
        why = ""
        if passed is None:
            why = f"{info.codec} is not a codec that the server takes"
        elif info.reordered or reordered:
            why = "its frames are reordered (B-frames)"
        elif self._options.encode:
            why = "asked for"
        if passed is not None and not why:
            self.codec = passed
            self._stream = stream_of(passed, info.configuration)
            how = f"{info.codec}, passed through"
        else:
            self.codec = encoder.codec()
            loop = asyncio.get_running_loop()
            target = Target(START_EDGE, info.fps or 15.0, START_BPS)
            self.transcoder = Transcoder(
                self._reader.decoder(),
                self.codec,
                target,
                lambda frame: _post(loop, self._on_encoded, frame),
                lambda: self.publisher.waiting_ms if self.publisher is not None else math.inf,
            )
            how = f"{info.codec}, encoded anew as {self.codec} ({why})"
        self._keys = _Keys(info.codec)
        if info.parts:
            self._assembler = FrameAssembler()
        rate = f", {info.fps:g} fps" if info.fps else ""
        self._output.say(f"open: {info.width}x{info.height}{rate}, {how}")
        self._output.state("open", codec=info.codec, width=info.width, height=info.height)
        return info

    def replace_ended(self) -> None:
        """A publisher whose session has ended sends no more: its successor goes on at once."""
        if self.publisher is not None and self.publisher.reason is not None:
            self._succeed(keyframe=True)

    def start(self) -> None:
        """Let frames come: a publisher is connected."""
        self._heard_ms = unix_ms()
        self._reader.start()

    def check(self, at_ms: float) -> None:
        """End a source from which nothing has come for long."""
        if at_ms - self._heard_ms > NO_FRAME_MS and not self.over.is_set():
            self._on_end(SourceError(f"no frame in {NO_FRAME_MS / 1000:g} s"))

    def close(self) -> None:
        """Read no more."""
        self._reader.stop()
        if self._timer is not None:
            self._timer.cancel()
        if self.transcoder is not None:
            self.transcoder.stop()

    async def ended(self) -> None:
        """Until its threads have ended after `close`, or do not for `THREADS_S`."""
        threads = [self._reader.thread]
        if self.transcoder is not None:
            threads.append(self.transcoder.thread)
        for thread in threads:
            if thread.is_alive():
                await asyncio.to_thread(thread.join, THREADS_S)

    def _on_packet(self, packet: SourcePacket) -> None:
        self._heard_ms = packet.arrival_ms
        if self._assembler is None:
            self._on_frame(
                AssembledFrame(packet.data, packet.pts_ms, packet.arrival_ms, packet.camera_ms),
                packet.captured_ms,
            )
            return
        ended = self._assembler.add(packet.data, packet.pts_ms, packet.arrival_ms, packet.camera_ms)
        if ended is not None:
            self._on_frame(ended)
        if self._timer is None:
            self._set_timer()

    def _set_timer(self) -> None:
        assert self._assembler is not None
        due_ms = self._assembler.due_ms
        self._timer = None
        if due_ms is not None:
            delay_s = max(0.0, (due_ms - unix_ms()) / 1000.0)
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._on_lull)

    def _on_lull(self) -> None:
        """End the frame if no part has come meanwhile; else look again when that part is due."""
        assert self._assembler is not None
        due_ms = self._assembler.due_ms
        if due_ms is not None and due_ms <= unix_ms() + 0.5:
            frame = self._assembler.end()
            if frame is not None:
                self._on_frame(frame)
        self._set_timer()

    def _on_frame(self, frame: AssembledFrame, captured_ms: float | None = None) -> None:
        order = "in order" if self.transcoder is not None else self._order.observe(frame.pts_ms)
        if order == "reordered":
            self.reordered = True
            self._on_end(SourceError("its frames are reordered (B-frames): to be encoded anew"))
            return
        if order == "step":
            self.times.restart()
        if captured_ms is None:
            captured_ms = self.times.captured_ms(frame.pts_ms, frame.arrival_ms, frame.camera_ms)
        if self.transcoder is not None:
            keyframe = self._keys.is_key(frame.data)
            self.transcoder.put(frame.data, captured_ms, frame.arrival_ms, keyframe=keyframe)
            return
        ready: ReadyFrame | None = self._stream.ready(frame.data)
        if ready is not None:
            self._succeed(keyframe=ready.keyframe)
            if self.publisher is not None:
                self.publisher.pass_through(ready, frame.pts_ms, captured_ms)

    def _succeed(self, *, keyframe: bool) -> None:
        if keyframe and self.successor is not None:
            self.publisher, self.successor = self.successor, None

    def _on_encoded(self, frame: EncodedFrame) -> None:
        self._succeed(keyframe=frame.keyframe)
        if self.publisher is not None:
            self.publisher.send_encoded(frame)

    def _on_end(self, error: SourceError | None) -> None:
        loop, transcoder = asyncio.get_running_loop(), self.transcoder
        if error is None and transcoder is not None:  # first what it still has to decode
            finish = loop.run_in_executor(
                None, transcoder.finish, lambda: _post(loop, self._set_over, None)
            )
            finish.add_done_callback(lambda _: None)
            return
        self._set_over(error)

    def _set_over(self, error: SourceError | None) -> None:
        if not self.over.is_set():
            self.error = error
            self.over.set()


class _Keys:
    """Which packets a decoder can begin with, by codec."""

    def __init__(self, codec: str) -> None:
        self._codec = codec

    def is_key(self, data: bytes) -> bool:
        if self._codec == "h264":
            stream = stream_of("h264", b"").ready(data)
            return stream is not None and stream.keyframe
        return True  # others are decoded as they come


def _post(loop: asyncio.AbstractEventLoop, call: Callable[..., None], value: object) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended
        loop.call_soon_threadsafe(call, value)
