"""One session that sends a source's frames, as they are or encoded anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from edge.base.sliding_windows import BitrateWindow
from edge.client.frame_outcomes import PublishedFrame
from edge.client.messages import ReceivedHint
from edge.client.publisher import Publisher
from edge.client.rtp.rtp_packetiser import Codec
from edge.client.video_sender import START_BPS
from edge.client.whip_client import WhipClient
from edge.publish.media.encoder import EncodedFrame, Target, Transcoder, scaled
from edge.publish.media.passthrough import ReadyFrame
from edge.publish.media.source import SourceInfo
from edge.publish.options import SourceOptions

START_EDGE = 320  # encoded anew: until the first hint
PASSED_BPS = 8_000_000.0  # passed through: the link is trusted until the server's first estimate
STOP_MS = 250.0  # of packets in the pacer: nothing is passed through until the next key frame
RATE_WINDOW_MS, RATE_FRAMES = 2_000.0, 480
TRUSTED = 0.5  # of the stream's own rate: an estimate above it does not slow the pacer, see below
_TICK = 90  # of the RTP clock: the least distance of two frames

OnResult = Callable[[Mapping[str, Any], PublishedFrame | None], None]


class CameraPublisher(Publisher):
    """`transcoder` is None where frames are passed through; the source outlives this session."""

    def __init__(
        self,
        whip: WhipClient,
        options: SourceOptions,
        info: SourceInfo,
        *,
        codec: Codec,
        on_result: OnResult,
        transcoder: Transcoder | None,
        replaces: str = "",
    ) -> None:
        """`replaces` names the session that this one is to take the place of."""
        super().__init__(
            whip,
            slo_ms=options.slo_ms,
            label=options.server_label,
            fps=info.fps,
            codecs=(codec,),
            query={**options.query, **({"replaces": replaces} if replaces else {})},
            start_bps=START_BPS if transcoder is not None else PASSED_BPS,
        )
        self.connected = False
        self._info = info
        self._on_result = on_result
        self._transcoder = transcoder
        self._size = (info.width, info.height) if transcoder is None else (0, 0)
        self._needs_keyframe = True
        self._last: tuple[float, PublishedFrame] | None = None  # passed through: (pts, frame)
        self._number = 0
        self._rate = BitrateWindow(RATE_WINDOW_MS, RATE_FRAMES)
        self._last_rtp: int | None = None

    @property
    def sent_size(self) -> tuple[int, int] | tuple[()]:
        """(width, height) of the video being sent; empty while it is not known."""
        return self._size if all(self._size) else ()

    @property
    def waiting_ms(self) -> float:
        """How long the pacer takes to send the packets that wait in it."""
        return self._sender.waiting_ms

    async def connect(self) -> None:
        """As `Publisher.connect`; frames are sent from then on, beginning with a key frame."""
        await super().connect()
        self.connected = True
        if self._transcoder is not None:
            self._transcoder.target = self.target()
            self._transcoder.request_keyframe()

    def target(self) -> Target:
        """What to encode, as hint and estimate allow."""
        hint, estimate_bps = self.hint, self.estimate_bps or START_BPS
        if hint is None:
            return Target(START_EDGE, self._info.fps or 15.0, min(START_BPS, estimate_bps))
        return Target(hint.max_edge, hint.fps, min(hint.max_bps, estimate_bps))

    def on_hint(self, hint: ReceivedHint) -> None:
        self._set_target()

    def on_estimate(self, bps: float) -> None:
        self._set_target()

    def on_keyframe_request(self) -> None:
        if self._transcoder is not None:
            self._transcoder.request_keyframe()

    def on_result(self, received: Mapping[str, Any], frame: PublishedFrame | None) -> None:
        self._on_result(received, frame)

    def pass_through(self, ready: ReadyFrame, pts_ms: float, captured_ms: float) -> None:
        """Send a source frame as it is; parts of one frame have the same presentation time."""
        if not self.connected or self.reason is not None:
            return
        if self._last is not None and self._last[0] == pts_ms:
            if not self._needs_keyframe:
                self._sender.send(self._last[1], ready.data)
            return
        if self._needs_keyframe and not ready.keyframe and self._last is None:
            return  # before the first key frame nothing can be shown
        frame = self._frame(captured_ms)
        self._last = (pts_ms, frame)
        if self._sender.waiting_ms > STOP_MS and not ready.droppable:
            self._needs_keyframe = True
        if (self._needs_keyframe and not ready.keyframe) or self._sender.waiting_ms > STOP_MS:
            self.left_out(frame, "encoder")
            return
        self._needs_keyframe = False
        self._rate.add(8.0 * len(ready.data), captured_ms)
        # Estimates vary, and this stream cannot follow them: only one far below its own rate tells
        # that the link does not take it.
        own_bps = self._rate.newest_bps()
        trusted = self.estimate_bps is None or self.estimate_bps >= TRUSTED * own_bps
        self._sender.least_bps = own_bps if trusted else 0.0
        self._send_picture(frame, ready.data, ready.keyframe)

    def send_encoded(self, encoded: EncodedFrame) -> None:
        """Send a frame that was encoded anew, or count one that was left out."""
        if not self.connected or self.reason is not None:
            return
        if self._needs_keyframe and not encoded.keyframe:
            return  # encoded for the session before
        frame = self._frame(encoded.captured_ms)
        if encoded.reason:
            self.left_out(frame, encoded.reason)
            return
        self._needs_keyframe = False
        self._size = encoded.size
        self._send_picture(frame, encoded.data, encoded.keyframe)
        width, height = self._info.width, self._info.height
        if width and encoded.size == scaled(width, height, self.target().max_edge):
            self.hint_applied()

    def _send_picture(self, frame: PublishedFrame, data: bytes, keyframe: bool) -> None:
        frame.size = self._size
        frame.bytes, frame.keyframe = len(data), keyframe
        self.send(frame, data)

    def _frame(self, captured_ms: float) -> PublishedFrame:
        rtp = self.rtp_at(captured_ms)
        if self._last_rtp is not None:
            ahead = (rtp - self._last_rtp) & 0xFFFFFFFF
            if not _TICK <= ahead < 1 << 31:  # the source's clock has stepped back
                rtp = (self._last_rtp + _TICK) & 0xFFFFFFFF
        self._last_rtp = rtp
        self._number += 1
        return PublishedFrame(self._number, self._number, rtp, captured_ms)

    def _set_target(self) -> None:
        if self._transcoder is not None and self.connected:
            self._transcoder.target = self.target()
