"""Decoding on a thread (`edge.rtc.decoding.decoder_threads`): frames in, pictures out by callback.

A picture belongs to the frame that the decoder says, not to the one that it was given last: with
B-frames, pictures come in the order of display, later and in another order than their frames.

Every frame of a codec with references has to be decoded, so a waiting frame can't be left out. A
picture whose successor is already waiting is decoded but not handed over ("superseded"). A decoder
that can't keep up drops all waiting frames and requests a key frame ("overload").

The processor time of decoding is charged to the session. Once half of its budget is used, frames to
which no other refers are dropped undecoded ("overload"); once all of it is, the session must end.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import av
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext

from edge.base.clock import now_ms
from edge.base.event_log import get_logger
from edge.base.processor_time import work_time
from edge.rtc.decoding.decoder_threads import DecoderThreads
from edge.rtc.guard.budgets import ProcessorBudget
from edge.rtc.jitter.frames import EncodedFrame

MAX_PIXELS = 4096 * 2304
PIXEL_FORMATS = ("yuv420p", "yuvj420p")  # of the pictures returned
MAX_WAITING = 30  # frames, a second of video; with one more, all waiting frames are dropped
MAX_WAITING_MS = 250.0  # the same for the age of the oldest
MAX_REORDERED = 16  # frames that wait for their pictures (H.264, A.3.1); the oldest is lost

_DECODERS = {"av1": "libdav1d"}  # by the codec's name, where another's is not FFmpeg's own

_log = get_logger(__name__)

OnPicture = Callable[[EncodedFrame, av.VideoFrame, float], None]
OnDropped = Callable[[list[int], str, bool], None]


class Decoder:
    """One session's decoder; its callbacks run on the event loop that created it.

    `on_picture(frame, picture, decoded_ms)`, the picture in one of `PIXEL_FORMATS`;
    `on_dropped(rtps, reason, keyframe)` for frames without a picture, where `keyframe` means that
    decoding goes on only after a key frame or a recovery point; with it `rtps` may be empty.
    Reasons: "superseded", "overload", "lost" (broken data, or no picture came of it), "too_large"
    (more than `max_pixels`). `on_excess` is called once, when decoding has taken
    more than `max_share` of a core over about a second (None: no limit).
    """

    def __init__(
        self,
        on_picture: OnPicture,
        on_dropped: OnDropped,
        *,
        max_pixels: int = MAX_PIXELS,
        max_share: float | None = None,
        on_excess: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_picture = on_picture
        self._on_dropped = on_dropped
        self._max_pixels = max_pixels
        self._on_excess = on_excess
        self._budget = None if max_share is None else ProcessorBudget(max_share)
        self._exceeded = False
        self._waiting: deque[tuple[str, EncodedFrame]] = deque()  # bounded by MAX_WAITING
        self._waiting_ms: deque[float] = deque()  # since when each has waited
        self._lock = threading.Lock()
        self._busy = False  # a job of this decoder's is queued or running
        self._needs_keyframe = False  # since a frame was refused
        self._stopped = False
        self._ended = asyncio.Event()
        self._open: dict[int, None] = {}
        """Timestamps of the frames that were accepted and not called back for; on the loop alone,
        bounded by what waits here and for its picture in libavcodec."""
        self._threads: DecoderThreads | None = None
        # Carries the session's name in logs; copied for each use, since uses overlap.
        self._context = contextvars.copy_context()
        self._codec: _Codec | None = None

    def submit(self, codec: str, frame: EncodedFrame) -> bool:
        """Queue a frame of a codec, one of `depacketizer.CODECS`; False if it was dropped.

        Drop rule: when the queue is full or its oldest frame too old, all waiting frames are
        dropped, and so are the new one and its successors until a key frame. A frame to which no
        other refers is dropped alone when much of the processor budget is used.
        """
        dropped: list[int] = []
        with self._lock:
            if self._stopped:
                return False
            at_ms = now_ms()
            thinned = (
                frame.droppable and self._budget is not None and self._budget.is_strained(at_ms)
            )
        if thinned:
            self._on_dropped([frame.rtp], "overload", False)
            return False
        with self._lock:
            # Not by their reception: those of a source that takes over come together, late.
            waited_ms = at_ms - self._waiting_ms[0] if self._waiting else 0.0
            if len(self._waiting) >= MAX_WAITING or waited_ms > MAX_WAITING_MS:
                dropped = [each.rtp for _, each in self._waiting if not each.repeated]
                self._waiting.clear()
                self._waiting_ms.clear()
                self._needs_keyframe = True
            self._needs_keyframe = self._needs_keyframe and not frame.is_entry
            accepted = not self._needs_keyframe
            if accepted:
                self._waiting.append((codec, frame))
                self._waiting_ms.append(at_ms)
                if not frame.repeated:
                    self._open[frame.rtp] = None
            elif not frame.repeated:
                dropped.append(frame.rtp)
            starts = accepted and not self._busy
            self._busy = self._busy or starts
        if starts:
            self._threads = self._threads or DecoderThreads.acquire()
            self._submit()
        if dropped or not accepted:
            self._dropped(dropped, "overload", not accepted)
        return accepted

    def expire(self) -> None:
        """The stream has fallen silent: frames that wait for their pictures are lost."""
        with self._lock:
            if self._busy or self._stopped or self._codec is None:
                return
            lost = [each.rtp for each in self._codec.forget() if not each.repeated]
        if lost:
            self._dropped(lost, "lost", False)

    def stop(self) -> list[int]:
        """End after the present frame; to be called once. Never blocks; no callback follows.

        The timestamps of the frames that have not been called back for.
        """
        with self._lock:
            self._stopped = True
            self._waiting.clear()
            self._waiting_ms.clear()
            busy = self._busy
        if not busy:
            self._finish()
        return list(self._open)

    async def stopped(self) -> None:
        """Wait until the last frame was released, and the threads ended if nobody else needs them.

        Joining them takes no time: they are past their last job.
        """
        await self._ended.wait()
        if self._threads is not None:
            self._threads.join()

    def _finish(self) -> None:
        if not self._ended.is_set():
            self._ended.set()
            if self._threads is not None:
                self._threads.release()

    # -- on a thread ------------------------------------------------------------------------------

    def _decode_next(self) -> None:
        """One frame, so that the sessions take turns."""
        try:
            with self._lock:
                head = self._waiting.popleft() if self._waiting else None
                if head is not None:
                    self._waiting_ms.popleft()
            if head is not None:
                before_s = work_time()
                self._decode(*head)
                self._charge(work_time() - before_s)
        finally:  # or `stopped` would never return
            with self._lock:
                more = self._busy = bool(self._waiting) and not self._stopped
                stopped = self._stopped
            assert self._threads is not None
            if more:
                self._submit()
            elif stopped:
                self._codec = None
                self._threads.call_in_loop(self._finish)

    def _charge(self, used_s: float) -> None:
        with self._lock:
            if self._budget is None or self._exceeded:
                return
            exceeded = self._exceeded = self._budget.charge(used_s, now_ms())
        if exceeded:
            self._call(self._excess)

    def _decode(self, codec: str, frame: EncodedFrame) -> None:
        lost: list[EncodedFrame] = []  # with the decoder that is replaced
        try:
            if self._codec is None or self._codec.name != codec:
                lost += self._codec.forget() if self._codec is not None else []
                self._codec = _Codec(codec, self._max_pixels)
            decoded = self._codec.decode(frame)
        except Exception:
            _log.exception("decoder_replaced", codec=codec)
            lost += self._codec.forget() if self._codec is not None else []
            self._codec = None
            lost = [each for each in lost if each is not frame]
            decoded = _Decoded(refused="lost")
        decoded.lost[:0] = lost
        with self._lock:
            newer = bool(self._waiting)
        for each in decoded.lost:
            self._drop(each, "lost")
        if decoded.refused:
            rtps = [] if frame.repeated else [frame.rtp]
            self._call(self._dropped, rtps, decoded.refused, True)
        shown = [(source, image) for source, image in decoded.pictures if not source.repeated]
        for index, (source, image) in enumerate(shown):
            if newer or index < len(shown) - 1:
                self._drop(source, "superseded")
            else:
                self._return(source, image)

    def _drop(self, frame: EncodedFrame, reason: str) -> None:
        if not frame.repeated:
            self._call(self._dropped, [frame.rtp], reason, False)

    def _return(self, frame: EncodedFrame, picture: av.VideoFrame) -> None:
        try:
            planar = _as_yuv420p(picture)
        except Exception as error:  # the decoder kept its references and needs no key frame
            _log.debug("unconvertible_picture", format=picture.format.name, error=error)
            self._drop(frame, "lost")
        else:
            self._call(self._picture, frame, planar, now_ms())

    def _call(self, function: Callable[..., object], *arguments: object) -> None:
        assert self._threads is not None
        self._threads.call_in_loop(self._context.copy().run, function, *arguments)

    def _submit(self) -> None:
        assert self._threads is not None
        self._threads.submit(partial(self._context.copy().run, self._decode_next))

    # -- on the loop ------------------------------------------------------------------------------

    def _picture(self, frame: EncodedFrame, picture: av.VideoFrame, decoded_ms: float) -> None:
        if not self._stopped:
            self._open.pop(frame.rtp, None)
            self._on_picture(frame, picture, decoded_ms)

    def _excess(self) -> None:
        if not self._stopped:
            self._on_excess()

    def _dropped(self, rtps: list[int], reason: str, keyframe: bool) -> None:
        if not self._stopped:
            for rtp in rtps:
                self._open.pop(rtp, None)
            self._on_dropped(rtps, reason, keyframe)


def _as_yuv420p(picture: av.VideoFrame) -> av.VideoFrame:
    """The picture itself if it is in 8-bit 4:2:0, else converted, its value range kept."""
    if picture.format.name in PIXEL_FORMATS:
        return picture
    return picture.reformat(format="yuv420p", threads=1)


@dataclass(slots=True)
class _Decoded:
    """What became of frames: their pictures in the order of display, those that got none, and the
    reason why the one just given was refused ("" if it was not)."""

    pictures: list[tuple[EncodedFrame, av.VideoFrame]] = field(default_factory=list)
    lost: list[EncodedFrame] = field(default_factory=list)
    refused: str = ""


class _Codec:
    """libavcodec's decoder, for the lowest delay: one thread, no conversion."""

    def __init__(self, name: str, max_pixels: int) -> None:
        self.name = name
        self._max_pixels = max_pixels
        self._needs_entry = True
        self._waiting: dict[int, EncodedFrame] = {}  # for their pictures, by pts
        self._frames = 0
        context = av.CodecContext.create(_DECODERS.get(name, name), "r")
        assert isinstance(context, VideoCodecContext)
        context.thread_count = 1
        context.flags |= Flags.low_delay
        context.options = {"max_pixels": str(max_pixels)}
        self._context = context

    def decode(self, frame: EncodedFrame) -> _Decoded:
        """The pictures that this frame brings out; without B-frames, its own.

        After a failure nothing but a key frame or a recovery point is tried.
        """
        if self._needs_entry and not frame.is_entry:
            return _Decoded(refused="lost")
        self._needs_entry = True
        decoded = _Decoded()
        if frame.recovery and self._context.is_open:
            # libavcodec shows no picture then before it has recovered (H.264, D.2.8).
            self._context.flush_buffers()
            decoded.lost += self.forget()
        if frame.is_entry:
            # Else libavcodec shows nothing that refers to pictures which it does not have.
            shown = self._context.flags & ~Flags.output_corrupt
            self._context.flags = shown | Flags.output_corrupt if frame.unannounced else shown
        if frame.width * frame.height > self._max_pixels:
            decoded.refused = "too_large"
            return decoded
        packet = av.Packet(frame.data)
        packet.pts = self._frames = self._frames + 1
        try:
            pictures = self._context.decode(packet)
        except (av.FFmpegError, ValueError, MemoryError) as error:
            _log.debug("undecodable_frame", codec=self.name, error=error)
            too_large = self._context.width * self._context.height > self._max_pixels
            decoded.refused = "too_large" if too_large else "lost"
            return decoded
        self._needs_entry = False
        self._waiting[self._frames] = frame
        # Each spatial layer of a VP9 picture may be shown; the highest comes last.
        self._assign(pictures[-1:] if self.name == "vp9" else pictures, decoded)
        return decoded

    def _assign(self, pictures: list[av.VideoFrame], decoded: _Decoded) -> None:
        """Give each picture to its frame. A frame without one is lost, at once without B-frames."""
        reorders = self._context.has_b_frames
        for picture in pictures:
            pts = picture.pts
            if pts not in self._waiting and not reorders:
                pts = self._frames  # of two fields in two packets, the second completes the picture
            if pts is not None and (source := self._waiting.pop(pts, None)) is not None:
                decoded.pictures.append((source, picture))
        while len(self._waiting) > (MAX_REORDERED if reorders else 0):
            decoded.lost.append(self._waiting.pop(next(iter(self._waiting))))

    def forget(self) -> list[EncodedFrame]:
        """The frames that wait for their pictures, which will have none."""
        lost = list(self._waiting.values())
        self._waiting.clear()
        return lost
