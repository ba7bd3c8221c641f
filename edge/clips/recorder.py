"""One session's clips: which event begins one, which makes it longer, and which frames it gets.

Pure: times are given, frames and decisions go to a `ClipSink`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from edge.clips.frame import ClipFrame
from edge.clips.names import clip_name
from edge.clips.ring import EncodedRing
from edge.clips.settings import ClipSettings

MAX_EVENTS = 200  # named in a clip's description; more are counted there


@dataclass(slots=True)
class Clip:
    """A clip being recorded. `clock_s` is added to seconds of the server's clock for Unix time."""

    name: str
    session: str
    label: str
    clock_s: float
    events: list[dict[str, Any]] = field(default_factory=list)
    more_events: int = 0

    def add_event(self, event: Mapping[str, Any]) -> None:
        if len(self.events) < MAX_EVENTS:
            self.events.append(dict(event))
        else:
            self.more_events += 1


class ClipSink(Protocol):
    """Where clips go; no method waits. `write` and `finish` follow a `begin` that was True."""

    def begin(self, clip: Clip) -> bool:
        """False: as many clips are being written as may be."""

    def write(self, clip: Clip, frame: ClipFrame) -> None: ...

    def finish(self, clip: Clip) -> None: ...


class ClipRecorder:
    """Times in ms of the server's clock, but `at_s`, in Unix seconds."""

    def __init__(self, settings: ClipSettings, session: str, sink: ClipSink) -> None:
        self._settings = settings
        self._session = session
        self._sink = sink
        self._ring = EncodedRing(
            keep_ms=1000.0 * settings.before_s,
            max_ms=1000.0 * (settings.before_s + 2.0 * settings.keyframe_s),
            max_bytes=settings.ring_bytes,
        )
        self._clip: Clip | None = None
        self._end_ms = self._limit_ms = 0.0
        self._asked_ms = float("-inf")

    def add(self, frame: ClipFrame) -> None:
        """The session's next frame, in the order of decoding."""
        self._ring.add(frame)
        if self._clip is not None:
            self.tick(frame.received_ms)
        if self._clip is not None:
            self._sink.write(self._clip, frame)

    def wants(self, event: Mapping[str, Any], label: str) -> bool:
        """Whether an event, as its message has it, gets a clip."""
        its, kind = self._settings, event["type"]
        name = event.get(_NAMED_BY.get(kind, ""))
        return (
            kind in its.events
            and (not its.labels or label in its.labels)
            and (not its.names or name in its.names)
            and (not its.classes or event.get("class") is None or event["class"] in its.classes)
        )

    def trigger(
        self, event: Mapping[str, Any], label: str, now_ms: float, at_s: float
    ) -> str | None:
        """A wanted event has happened; the name of its clip, None if it gets none."""
        self.tick(now_ms)
        its = self._settings
        if self._clip is None:
            name = clip_name(at_s, label, self._session, event["type"])
            clip = Clip(name, self._session, label, at_s - now_ms / 1000.0)
            if not self._sink.begin(clip):
                return None
            self._clip = clip
            self._limit_ms = now_ms + 1000.0 * its.max_s
            for frame in self._ring.since(now_ms - 1000.0 * its.before_s):
                self._sink.write(clip, frame)
        self._end_ms = min(now_ms + 1000.0 * its.after_s, self._limit_ms)
        self._clip.add_event({**event, "at": round(at_s, 3)})
        return self._clip.name

    def tick(self, now_ms: float) -> None:
        """Called a few times a second: a clip ends without frames, too."""
        if self._clip is not None and now_ms > self._end_ms:
            self.end()

    def end(self) -> None:
        """The session, or the clip, ends."""
        if self._clip is not None:
            clip, self._clip = self._clip, None
            self._sink.finish(clip)

    def keyframe_due(self, now_ms: float) -> bool:
        """Whether to ask the sender for a key frame now, so that the ring can let go of the old."""
        its, newest_ms = self._settings, self._ring.newest_entry_ms
        wait_ms = 1000.0 * its.keyframe_s
        due = (
            newest_ms is None
            or now_ms - newest_ms >= wait_ms
            or self._ring.newest_group_bytes > its.ring_bytes // 2
        )
        if not due or now_ms - self._asked_ms < wait_ms:
            return False
        self._asked_ms = now_ms
        return True


_NAMED_BY = {
    "zone_entered": "zone",
    "zone_left": "zone",
    "line_crossed": "line",
    "rule_on": "rule",
    "rule_off": "rule",
}
