"""One end for every frame, however many sources send: of those that are not served, too.

A frame that no served source has is superseded by those that are; one that is a layer of a served
capture is no frame of its own. Pure: times in ms are arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from edge.rtc.jitter.frames import JitterBufferOutput
from edge.rtc.sources.source import Arrival

UNSERVED_MS = 1000.0  # after which a frame that was not served is superseded
_SAME_MS = 2000.0  # between the ends of a capture's frames
_MAX_PENDING = (
    256  # frames of sources that are not served; beyond, the oldest is superseded at once
)
_MAX_REMEMBERED = 512  # captures and frames of each kind; the oldest is forgotten first


@dataclass(frozen=True, slots=True)
class _End:
    """When a capture's frame ended, and the sources that have had their frame of it."""

    at_ms: float
    sources: list[int]


@dataclass(frozen=True, slots=True)
class _Pending:
    """When a frame that is not served arrived, and what its timestamp meant then."""

    since_ms: float
    capture: tuple[int, int]


class FrameLedger:
    """Which frames have ended; `capture(ssrc, rtp)` is the same for all layers of a capture."""

    def __init__(self, capture: Callable[[int, int], tuple[int, int]]) -> None:
        self._capture = capture
        self._last: dict[bool, tuple[int, int]] = {}  # by whether it is served
        self._seen: dict[tuple[int, int], None] = {}  # (source, timestamp) of all frames
        self._served: dict[tuple[int, int], float] = {}  # arrival by capture
        self._served_stamps: dict[tuple[int, int], float] = {}  # the same by (0, timestamp)
        self._pending: dict[tuple[int, int], _Pending] = {}  # not served so far
        self._ended: dict[tuple[int, int], _End] = {}  # by capture
        self._overflown: list[tuple[tuple[int, int], _Pending]] = []
        self._superseded: dict[tuple[int, int], float] = {}  # when, by (0, timestamp)

    def served(self, ssrc: int, rtp: int, now_ms: float) -> None:
        """A packet of a frame that is served, or given up by the jitter buffer."""
        frame = (ssrc, rtp)
        if frame == self._last.get(True):
            return
        self._last = {True: frame}
        _put(self._seen, frame, None)
        _put(self._served, self._capture(ssrc, rtp), now_ms)
        _put(self._served_stamps, (0, rtp), now_ms)
        self._pending.pop(frame, None)

    def unserved(self, ssrc: int, rtp: int, now_ms: float) -> None:
        """A packet of a frame whose source is not served."""
        frame = (ssrc, rtp)
        if frame == self._last.get(False):
            return
        self._last[False] = frame
        if frame not in self._seen:
            _put(self._seen, frame, None)
            self._pending[frame] = _Pending(now_ms, self._capture(ssrc, rtp))
            if len(self._pending) > _MAX_PENDING:
                oldest = next(iter(self._pending))
                self._overflown.append((oldest, self._pending.pop(oldest)))

    def settle(self, ssrc: int, output: JitterBufferOutput, now_ms: float) -> None:
        """Frames of the served source end: those whose capture has ended already have no end of
        their own."""
        if not (output.decodable or output.lost):
            return
        output.decodable = [
            frame
            if frame.repeated or self._ends(ssrc, frame.rtp, now_ms)
            else replace(frame, repeated=True)
            for frame in output.decodable
        ]
        output.lost = [rtp for rtp in output.lost if self._ends(ssrc, rtp, now_ms)]

    def hand_over(
        self, ssrc: int, taken: Iterable[Arrival], output: JitterBufferOutput
    ) -> JitterBufferOutput:
        """Another source takes over with these packets: what the last one gave up in `output` is
        not lost where they have its capture."""
        coming = {self._capture(each.packet.ssrc, each.packet.timestamp) for each in taken}
        output.lost = [rtp for rtp in output.lost if self._capture(ssrc, rtp) not in coming]
        output.keyframe = False  # of the last source
        return output

    def _ends(self, ssrc: int, rtp: int, now_ms: float) -> bool:
        """Whether its capture has had no end from another source."""
        capture = self._capture(ssrc, rtp)
        end = self._ended.get(capture)
        if end is not None and ssrc not in end.sources and now_ms - end.at_ms < _SAME_MS:
            end.sources.append(ssrc)  # a later frame of it with this timestamp is another
            return False
        _put(self._ended, capture, _End(now_ms, [ssrc]))
        return True

    def superseded(self, now_ms: float, *, wait_ms: float = UNSERVED_MS) -> list[int]:
        """The timestamps of frames that have not been served and will not be: of those that came
        `wait_ms` ago."""
        due = self._overflown
        self._overflown = []
        for frame, pending in self._pending.items():
            if now_ms - pending.since_ms < wait_ms:
                break
            due.append((frame, pending))
        found = []
        for frame, pending in due:
            self._pending.pop(frame, None)
            # What a timestamp means may have been learnt meanwhile, or forgotten.
            capture = self._capture(*frame)
            ends = [self._ended.get(each) for each in (capture, pending.capture)]
            known_ms = (
                self._served.get(capture),
                self._served.get(pending.capture),
                *(end.at_ms for end in ends if end is not None),
                self._served_stamps.get((0, frame[1])),
                self._superseded.get((0, frame[1])),  # of two sources that were never served
            )
            # Compared with its arrival, since this may be looked at much later: beyond that time,
            # a timestamp is another capture's.
            same_ms = UNSERVED_MS + _SAME_MS
            if any(each and abs(each - pending.since_ms) < same_ms for each in known_ms):
                continue
            _put(self._ended, capture, _End(now_ms, []))
            _put(self._superseded, (0, frame[1]), now_ms)
            found.append(frame[1])
        return found


def _put(remembered: dict[Any, Any], key: tuple[int, int], value: object) -> None:
    remembered.pop(key, None)
    remembered[key] = value
    if len(remembered) > _MAX_REMEMBERED:
        del remembered[next(iter(remembered))]
