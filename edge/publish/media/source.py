"""A source's packets, read by FFmpeg in a thread of its own.

The thread opens the source, reports what it is, and reads until the end, a failure, or `stop`; a
recording from `start` on. What it reads it hands to the event loop. A source that does not react is
given up after `READ_S`, and its thread with it.
"""

from __future__ import annotations

import asyncio
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from edge.client.clocks import unix_ms
from edge.publish.options import SourceOptions

THREAD = "source"  # its name
OPEN_S, READ_S = 10.0, 5.0
MOST_WAITING = 240  # packets the event loop has not taken; then reading waits, as the network does
_NO_PARSER = frozenset({"h264", "hevc"})  # over RTP: see edge.publish.media.frame_assembler
# Formats without times, in which FFmpeg makes up 25 frames a second: a frame's arrival is its time.
_UNTIMED = frozenset({"mpjpeg", "mjpeg", "jpeg_pipe", "h264", "hevc"})
_Way = Literal["frames", "parts", "untimed"]
_REFERENCE_TIME: Final = "prft"  # FFmpeg's side data: the camera's wall clock (RTCP sender reports)
_RELATIVE_S = 0.5  # behind a recording's own pace: it goes on from now


class SourceError(Exception):
    """A source that cannot be read; the message gives the reason without a password.

    `final`: trying again would not help.
    """

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What a source delivers. `live`: it has a pace of its own; else it is paced here.

    `parts`: its packets are parts of frames. `fps` is None if unknown, sizes are then 0.
    """

    codec: str
    width: int
    height: int
    fps: float | None
    reordered: bool
    live: bool
    parts: bool
    configuration: bytes


@dataclass(frozen=True, slots=True)
class SourcePacket:
    """A packet: presentation time in the source's own ms, arrival in Unix ms.

    `captured_ms` is the capture time where it is known (recordings, cameras of this machine);
    `camera_ms` the camera's word for it, on the camera's clock.
    """

    data: bytes
    pts_ms: float
    arrival_ms: float
    captured_ms: float | None
    camera_ms: float | None


class SourceReader:
    """Reads one source once. `on_packet(packet)` is called in the event loop for each packet, then
    `on_end(error)` once: None at a recording's end."""

    def __init__(
        self,
        options: SourceOptions,
        on_packet: Callable[[SourcePacket], None],
        on_end: Callable[[SourceError | None], None],
    ) -> None:
        self._options = options
        self._on_packet = on_packet
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[SourceInfo] = self._loop.create_future()
        self._go = threading.Event()
        self._stop = threading.Event()
        self._room = threading.BoundedSemaphore(MOST_WAITING)
        self._container: InputContainer | None = None
        self._thread = threading.Thread(target=self._run, name=THREAD, daemon=True)

    async def open(self) -> SourceInfo:
        """Open the source. Raises SourceError."""
        self._thread.start()
        return await self._opened

    def decoder(self) -> Any:
        """The decoder that FFmpeg has chosen for the source; after `open`, for one other thread."""
        assert self._container is not None
        context = self._container.streams.video[0].codec_context
        context.thread_count = 1  # several would each hold back a frame
        return context

    def start(self) -> None:
        """Read; a recording's pace begins now."""
        self._go.set()

    def stop(self) -> None:
        """Read no more; nothing is called any more."""
        self._stop.set()
        self._go.set()

    @property
    def thread(self) -> threading.Thread:
        """The thread, which ends soon after `stop`, at the latest after `READ_S`."""
        return self._thread

    # In the thread

    def _run(self) -> None:
        error: SourceError | None = None
        try:
            self._container, info = _open(self._options)
            self._post(self._set_opened, info)
            if not info.live:
                self._go.wait()  # a live source is read at once: what waits in sockets grows old
            self._read(self._container, info)
        except SourceError as failure:
            error = failure
        except (av.error.FFmpegError, OSError, ValueError) as failure:
            error = _failure(self._options, failure)
        except Exception as failure:  # a defect must end the source, not hang it
            error = SourceError(f"{self._options.name}: {failure!r}", final=True)
        if self._container is not None:
            self._container.close()  # a camera gets its TEARDOWN
        self._post(self._set_ended, error)

    def _read(self, container: InputContainer, info: SourceInfo) -> None:
        pace = None if info.live else _Pace()
        stream = container.streams.video[0]
        while not self._stop.is_set():
            read = 0
            for packet in container.demux(stream):
                if self._stop.is_set():
                    return
                if not packet.size:
                    continue  # the end: nothing left to flush
                read += 1
                self._take(packet, pace)
            if info.live:
                raise SourceError(f"{self._options.name}: the stream has ended")
            if not self._options.loop:
                return
            if not read:
                raise SourceError(f"{self._options.name}: no frames", final=True)
            assert pace is not None
            pace.again()
            container.seek(0)

    def _take(self, packet: av.Packet[VideoStream], pace: _Pace | None) -> None:
        """Hand a packet over; one of a recording when it is due."""
        time_base = packet.time_base or packet.stream.time_base
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is None or time_base is None:
            if pace is None:
                return  # RTSP's packets before the first that tells the time
            raise SourceError(f"{self._options.name}: frames without times", final=True)
        pts_ms = 1000.0 * float(stamp * time_base)
        captured_ms: float | None = None
        if pace is not None:
            # Read in the order of decoding; a frame that is shown later is captured later.
            ahead_ms = 0.0
            if packet.dts is not None and packet.pts is not None:
                ahead_ms = 1000.0 * float((packet.pts - packet.dts) * time_base)
            captured_ms = pace.wait(pts_ms - ahead_ms, self._stop.is_set) + ahead_ms
        elif self._options.kind == "device" and 0.0 <= unix_ms() - pts_ms < 1000.0 * READ_S:
            captured_ms = pts_ms  # the driver's own time of the frame, on this machine's clock
        self._room.acquire()
        self._post(
            self._deliver,
            SourcePacket(bytes(packet), pts_ms, unix_ms(), captured_ms, _camera_ms(packet)),
        )

    def _post(self, call: Callable[..., None], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:  # the loop has ended
            self._stop.set()

    # In the event loop

    def _deliver(self, packet: SourcePacket) -> None:
        self._room.release()
        if not self._stop.is_set():
            self._on_packet(packet)

    def _set_opened(self, info: SourceInfo) -> None:
        if not self._opened.done():
            self._opened.set_result(info)

    def _set_ended(self, error: SourceError | None) -> None:
        if not self._opened.done():
            self._opened.set_exception(error or SourceError("stopped"))
        elif not self._stop.is_set():
            self._on_end(error)


class _Pace:
    """A recording's frames at its own pace: Unix ms at which each is due."""

    def __init__(self) -> None:
        self._offset_ms: float | None = None
        self._last_ms = 0.0
        self._interval_ms = 40.0

    def again(self) -> None:
        """The recording begins again, one interval after its last frame."""
        self._offset_ms = None

    def wait(self, pts_ms: float, stopped: Callable[[], bool]) -> float:
        """Sleep until the frame is due; when that was."""
        now_ms = unix_ms()
        if self._offset_ms is None:
            first_ms = max(now_ms, self._last_ms + self._interval_ms)
            self._offset_ms = first_ms - pts_ms
        due_ms = self._offset_ms + pts_ms
        if now_ms - due_ms > 1000.0 * _RELATIVE_S:
            self._offset_ms += now_ms - due_ms
            due_ms = now_ms
        if 0.0 < due_ms - self._last_ms < 1000.0:
            self._interval_ms = due_ms - self._last_ms
        self._last_ms = due_ms
        while not stopped() and (left_s := (due_ms - unix_ms()) / 1000.0) > 0.0:
            time.sleep(min(left_s, 0.2))
        return due_ms


def _open(options: SourceOptions) -> tuple[InputContainer, SourceInfo]:
    """Open a source in the way that its protocol and format need."""
    way: _Way = "parts" if options.kind == "rtsp" else "frames"
    container = _open_container(options, way)
    codec = _video(options, container).codec_context.name
    again: _Way = way
    if way == "parts" and codec not in _NO_PARSER:
        again = "frames"
    elif options.kind == "http" and container.format.name in _UNTIMED:
        again = "untimed"
    if again != way:
        container.close()
        container = _open_container(options, again)
    stream = _video(options, container)
    context = stream.codec_context
    rate = None if again == "untimed" else stream.average_rate or stream.guessed_rate
    live = options.kind in ("rtsp", "device") or (
        options.kind == "http" and container.duration is None
    )
    return container, SourceInfo(
        codec=context.name,
        width=context.width,
        height=context.height,
        fps=float(rate) if rate and 1 <= rate <= 240 else None,
        reordered=bool(context.has_b_frames),
        live=live,
        parts=again == "parts",
        configuration=bytes(context.extradata or b""),
    )


def _open_container(options: SourceOptions, way: _Way) -> InputContainer:
    flags = "nobuffer+noparse" if way == "parts" else "nobuffer"
    settings: dict[str, str] = {"fflags": flags}
    form: str | None = None
    if options.kind == "rtsp":
        settings |= {"rtsp_transport": options.rtsp_transport, "allowed_media_types": "video"}
        settings |= {"analyzeduration": "1500000"}
    elif way == "untimed":
        settings |= {"use_wallclock_as_timestamps": "1"}
    elif options.kind == "device":
        form = "video4linux2"
        settings |= {"timestamps": "abs"}
        if options.video_size is not None:
            settings["video_size"] = options.video_size
        if options.fps is not None:
            settings["framerate"] = f"{options.fps:g}"
    elif options.kind == "file":
        settings = {}
    return av.open(options.url, format=form, options=settings, timeout=(OPEN_S, READ_S))


def _video(options: SourceOptions, container: InputContainer) -> VideoStream:
    if container.format.name == "tty" or not container.streams.video:
        raise SourceError(f"{options.name}: has no video", final=options.kind == "file")
    return container.streams.video[0]


def _camera_ms(packet: av.Packet[VideoStream]) -> float | None:
    """The camera's own time of the frame, in Unix ms; None before its first sender report."""
    if not packet.has_sidedata(_REFERENCE_TIME):
        return None
    data = bytes(packet.get_sidedata(_REFERENCE_TIME))
    return struct.unpack("<q", data[:8])[0] / 1000.0 if len(data) >= 8 else None


def _failure(options: SourceOptions, error: Exception) -> SourceError:
    """The error in words, without the URL, which may have a password in it."""
    refused = isinstance(error, av.error.HTTPUnauthorizedError | av.error.HTTPForbiddenError)
    final = refused or (options.kind == "file" and not isinstance(error, TimeoutError))
    if refused:
        reason = "the camera refuses this user name and password (rtsp://USER:PASSWORD@HOST/...)"
    elif isinstance(error, av.error.ExitError):
        reason = "no reaction in time"
    else:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return SourceError(f"{options.name}: {reason}", final=final)
