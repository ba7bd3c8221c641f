"""Where a frame ends: by its sender's marker bit as long as that can be trusted.

A frame certainly ends where its successor begins, but that is a frame interval later. The marker
(RFC 3550, section 5.1) tells at once, if it is on the last packet and on no other, as RFC 6184 and
RFC 7741 have it. Senders exist that set it on every slice or every NAL unit, or never. It is
trusted until it is disproved, and again after frames enough in which it was right. Meanwhile an
H264 frame ends at once with a slice that begins where the last slices of the frames before began:
many encoders divide pictures in the same way each time. Those that divide them by size are told by
it: a frame larger than those before may have more slices. Pure.
"""

from __future__ import annotations

from edge.rtc.jitter.frames import Assembly

_RIGHT_FRAMES = 30  # in a row, until the marker is trusted again; doubled each time
_SLICED_WORTH = 10  # a frame of several slices says as much as so many of one slice
_SAME_LAYOUTS = 5  # in a row, until a slice's position tells the end; doubled with each change
_MAX_PROOF = 1000  # frames, of either
MIN_SILENCE_MS, MAX_SILENCE_MS = 50.0, 1000.0  # after which a frame without a marker has ended
BROKEN_OFF_MS = 3000.0  # the same where a marker is due: the frame is given up


class FrameEnd:
    """What one stream's markers and slices tell about the ends of its frames."""

    def __init__(self) -> None:
        self.trusts_marker = True
        self.splits = False  # pictures go on under another timestamp, after a marker
        self._is_proven = False  # trusted by evidence, not by default
        self._right = 0
        self._right_needed = _RIGHT_FRAMES
        self._layout: int | None = None  # where the last slice of a frame begins
        self._same = 0  # frames in a row with that layout
        self._largest = 0  # of them, in bytes
        self._same_needed = _SAME_LAYOUTS

    def hint(self, frame: Assembly) -> int | None:
        """The packet with which the frame ends, as far as the packets that came tell."""
        if not frame.has_picture:
            return None  # a marker on a parameter set ends nothing
        if self.trusts_marker:
            end = max(frame.marks, default=-1)
            return end if end >= frame.last_picture else None
        is_last = self._same >= self._same_needed and frame.slice_at == self._layout
        is_last = is_last and frame.bytes <= self._largest
        return frame.last_picture if is_last and frame.is_closed else None

    def observe_marker(self, frame: Assembly) -> None:
        """A marker came; it disproves trust where the frame's picture goes on after it."""
        if not self.trusts_marker:
            return
        on_picture = [mark for mark in frame.marks if mark >= frame.first_picture]
        if any(mark < frame.last_picture for mark in on_picture):
            self.disprove()
        elif not on_picture and not self._is_proven:
            self.trusts_marker = False  # on a parameter set, so it may be on everything

    def observe_end(self, frame: Assembly) -> None:
        """A frame ended where its successor began."""
        if not frame.has_picture:
            return
        on_picture = [mark for mark in frame.marks if mark >= frame.first_picture]
        if len(on_picture) == 1 and on_picture[0] >= frame.last_picture:
            self._right += _SLICED_WORTH if frame.slices > 1 else 1
            if self._right >= self._right_needed:
                self.trusts_marker = self._is_proven = True
        else:
            self._right = 0
            self.trusts_marker = self._is_proven = False
        if frame.slice_at is None or frame.slice_at != self._layout:
            if self._layout is not None:
                self._same_needed = min(_MAX_PROOF, 2 * self._same_needed)
            self._layout, self._same, self._largest = frame.slice_at, 0, 0
        self._largest = max(self._largest, frame.bytes)
        self._same += frame.slice_at is not None

    def disprove(self) -> None:
        """A frame went on after the end that was told."""
        if self.trusts_marker:
            self._right_needed = min(_MAX_PROOF, 2 * self._right_needed)
        else:
            self._same_needed = min(_MAX_PROOF, 2 * self._same_needed)
        self.trusts_marker = self._is_proven = False
        self._right = self._same = 0

    def silence_ms(self, interval_ms: float) -> float:
        """The silence after which the last frame that came has ended, or has broken off.

        `interval_ms`: between frames; infinity where it is not known.
        """
        if self.trusts_marker:
            return BROKEN_OFF_MS
        return min(MAX_SILENCE_MS, max(MIN_SILENCE_MS, 1.5 * interval_ms))
