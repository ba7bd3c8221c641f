"""One session's clips: its encoded frames and its events, handed to a recorder."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable

from edge.base.clock import now_ms
from edge.clips.frame import ClipFrame
from edge.clips.recorder import ClipRecorder
from edge.clips.writer import ClipWriter
from edge.rtc.jitter.frames import EncodedFrame
from edge.rtc.jitter.nal_units import PPS, SPS, START_CODE, kind_of
from edge.rtc.peer_connection import PeerConnection
from edge.rtc.sources.sequence_parameters import picture_size

_START = re.compile(b"\x00\x00\x00?\x01")


class SessionClips:
    """Follows a session's frames from its `PeerConnection` on; all on the event loop."""

    def __init__(
        self, writer: ClipWriter | None, name: str, label: Callable[[], str], peer: PeerConnection
    ) -> None:
        """Without a `writer` there are no clips, and no frame is kept."""
        self._recorder: ClipRecorder | None = None
        self._label = label
        self._peer = peer
        if writer is not None:
            recorder = self._recorder = ClipRecorder(writer.settings, name, writer)
            peer.observe_encoded(lambda frame: recorder.add(clip_frame(frame)))

    def event(self, text: str) -> str:
        """An event's message, with the name of its clip, if it gets one."""
        if self._recorder is None:
            return text
        event = json.loads(text)
        if not self._recorder.wants(event, self._label()):
            return text
        clip = self._recorder.trigger(event, self._label(), now_ms(), time.time())
        return text if clip is None else f"{text[:-1]},{json.dumps({'clip': clip})[1:]}"

    def tick(self, now: float) -> None:
        """Called several times a second, while frames come."""
        if self._recorder is None:
            return
        self._recorder.tick(now)
        if self._recorder.keyframe_due(now):
            self._peer.suggest_keyframe()

    def end(self) -> None:
        """The session ends, and so does its clip."""
        if self._recorder is not None:
            self._recorder.end()


def clip_frame(frame: EncodedFrame) -> ClipFrame:
    """A frame as clips keep it."""
    width, height, header = frame.width, frame.height, b""
    if frame.codec == "h264" and frame.is_entry:
        sets = [each for each in _START.split(frame.data) if each and kind_of(each) in (SPS, PPS)]
        header = b"".join(START_CODE + each for each in sets)
        sequences = (each for each in sets if kind_of(each) == SPS)
        width, height = picture_size(next(sequences, b"")) or (0, 0)
    return ClipFrame(
        rtp=frame.rtp,
        data=frame.data,
        is_entry=frame.is_entry,
        received_ms=frame.received_ms,
        codec=frame.codec,
        width=width,
        height=height,
        header=header,
    )
