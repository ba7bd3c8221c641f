"""One source published, for as long as it takes: the source and the server may go and come back.

The source stays open while the server is away, and the session ends while the source is away.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable
from typing import Any

from edge.client.clocks import unix_ms
from edge.client.rtp_packetiser import Codec
from edge.client.video_sender import START_BPS
from edge.client.whip_client import PublishError, WhipClient
from edge.publish import encoder
from edge.publish.backoff import RetryWait
from edge.publish.camera_publisher import START_EDGE, CameraPublisher
from edge.publish.capture_times import CaptureTimes
from edge.publish.encoder import EncodedFrame, Target, Transcoder
from edge.publish.frame_assembler import AssembledFrame, FrameAssembler
from edge.publish.options import SourceOptions
from edge.publish.output import SourceOutput
from edge.publish.passthrough import ReadyFrame, stream_of
from edge.publish.source import SourceError, SourceInfo, SourcePacket, SourceReader
from edge.publish.totals import Totals, take_ended

WORK_S = 0.05  # between two looks at what is due
STATUS_S = 5.0  # between two lines about frames
THREADS_S = 1.0  # for a source's threads to end
NO_FRAME_MS = 10_000.0  # a source without a frame for so long is opened again
STEADY_MS = 10_000.0  # a session, or a source, that lasted so long has worked
_PASSED: dict[str, Codec] = {"h264": "h264", "vp8": "vp8"}


class OpenSource:
    """A source that is being read: its frames go to `publisher`, if that is connected."""

    def __init__(self, options: SourceOptions, output: SourceOutput) -> None:
        self.publisher: CameraPublisher | None = None
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
        self._last_pts_ms = float("-inf")
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
        if captured_ms is None:
            captured_ms = self.times.captured_ms(frame.pts_ms, frame.arrival_ms, frame.camera_ms)
        if self.transcoder is not None:
            keyframe = self._keys.is_key(frame.data)
            self.transcoder.put(frame.data, captured_ms, frame.arrival_ms, keyframe=keyframe)
            return
        if self._last_pts_ms - 1000.0 < frame.pts_ms < self._last_pts_ms:
            self.reordered = True
            self._on_end(SourceError("its frames are reordered (B-frames): to be encoded anew"))
            return
        self._last_pts_ms = frame.pts_ms
        ready: ReadyFrame | None = self._stream.ready(frame.data)
        if ready is not None and self.publisher is not None:
            self.publisher.pass_through(ready, frame.pts_ms, captured_ms)

    def _on_encoded(self, frame: EncodedFrame) -> None:
        if self.publisher is not None:
            self.publisher.send_encoded(frame)

    def _on_end(self, error: SourceError | None) -> None:
        if not self.over.is_set():
            self.error = error
            self.over.set()


class Feed:
    """One source and its sessions, one after another. `run` until it is done, or has failed."""

    def __init__(
        self,
        options: SourceOptions,
        output: SourceOutput,
        new_whip: Callable[[], WhipClient],
    ) -> None:
        self.totals = Totals()
        self._options = options
        self._new_whip = new_whip
        self._output = output
        self._source_wait, self._server_wait = RetryWait(), RetryWait()
        self._reordered = False
        self._recent = Totals()
        self._status_ms = 0.0

    @property
    def name(self) -> str:
        return self._options.name

    async def run(self) -> str | None:
        """Publish until the recording's end (None) or a final failure (its reason)."""
        try:
            while True:
                opened_ms = unix_ms()
                try:
                    await self._publish_source()
                except SourceError as error:
                    if error.final:
                        return str(error)
                    if unix_ms() - opened_ms > STEADY_MS:
                        self._source_wait.worked()
                    await self._wait(self._source_wait.next_s(), f"source: {error}")
                except PublishError as error:
                    return str(error)
                else:
                    return None
        finally:
            self._output.summary(self.totals)

    async def _publish_source(self) -> None:
        """Open the source and publish it to its end. Raises SourceError and final PublishErrors."""
        source = OpenSource(self._options, self._output)
        try:
            info = await source.open(reordered=self._reordered)
            while not source.over.is_set():
                try:
                    await self._publish_session(source, info)
                except PublishError as error:
                    if error.final:
                        raise
                    wait_s = self._server_wait.next_s(error.retry_after_s)
                    await self._wait(wait_s, f"server: {error}", source.over)
            if source.error is not None:
                if source.reordered:
                    self._reordered = True
                    self._source_wait.worked()
                raise source.error
        finally:
            source.close()
            await source.ended()

    async def _publish_session(self, source: OpenSource, info: SourceInfo) -> None:
        """One session, until the source or the session ends; the latter raises PublishError."""
        whip = self._new_whip()
        publisher = CameraPublisher(
            whip,
            self._options,
            info,
            codec=source.codec,
            on_result=self._output.result,
            transcoder=source.transcoder,
        )
        try:
            await publisher.connect()
            connected_ms = unix_ms()
            self._output.say(f"connected to {whip.url}")
            source.publisher = publisher
            source.start()
            session: str | None = None
            while publisher.reason is None and not source.over.is_set():
                at_ms = unix_ms()
                publisher.do_periodic_work(at_ms)
                source.check(at_ms)
                self._report(source, publisher, at_ms)
                if session != publisher.session:
                    session = publisher.session
                    self._output.state("connected", session=session)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(WORK_S):
                        await source.over.wait()
            if unix_ms() - connected_ms > STEADY_MS or publisher.outcomes.frames:
                self._server_wait.worked()
            if publisher.reason is not None:
                raise PublishError(publisher.reason, final=publisher.final)
            source.publisher = None
            await publisher.wait_for_answers()
        except asyncio.CancelledError:
            source.publisher = None
            await publisher.wait_for_answers()
            raise
        finally:
            source.publisher = None
            await asyncio.shield(publisher.close())
            self._count(take_ended(publisher.outcomes, unix_ms(), all_of_them=True))

    def _report(self, source: OpenSource, publisher: CameraPublisher, at_ms: float) -> None:
        """A line about the last seconds, every `STATUS_S`."""
        if not self._status_ms:
            self._status_ms = at_ms
        passed_s = (at_ms - self._status_ms) / 1000.0
        if passed_s < STATUS_S:
            return
        self._status_ms = at_ms
        self._count(take_ended(publisher.outcomes, at_ms))
        recent, self._recent = self._recent, Totals()
        more = ""
        if source.times.camera_delay_ms is not None:
            more = f", camera {source.times.camera_delay_ms:.0f} ms ago by its clock"
            more += "" if source.times.source == "camera" else " (not believed)"
        self._output.say(recent.line(passed_s) + more)

    def _count(self, ended: Totals) -> None:
        self.totals.merge(ended)
        self._recent.merge(ended)
        if ended.answered:
            self._source_wait.worked()

    async def _wait(self, wait_s: float, why: str, over: asyncio.Event | None = None) -> None:
        self._output.say(f"{why}; again in {wait_s:.1f} s")
        self._output.state("waiting", reason=why, seconds=round(wait_s, 1))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await (over or asyncio.Event()).wait()


class _Keys:
    """Which packets a decoder can begin with, by codec."""

    def __init__(self, codec: str) -> None:
        self._codec = codec

    def is_key(self, data: bytes) -> bool:
        if self._codec == "h264":
            stream = stream_of("h264", b"").ready(data)
            return stream is not None and stream.keyframe
        return True  # others are decoded as they come


def _post(loop: asyncio.AbstractEventLoop, call: Any, frame: EncodedFrame) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended
        loop.call_soon_threadsafe(call, frame)
