"""Which encoded frame a publisher sends at each tick.

Pure: ticks and times are arguments.
"""

from __future__ import annotations

from dataclasses import dataclass

from netem.footage.encoded_clip import EncodedRendition

SKIP_MS = 50.0  # waiting in the pacer: droppable frames are left out
STOP_MS = 250.0  # waiting in the pacer: nothing is sent until the next key frame


@dataclass(frozen=True, slots=True)
class FrameToSend:
    """A frame to send, and the rendition it belongs to."""

    data: bytes
    keyframe: bool
    droppable: bool
    encode: EncodedRendition


class ClipStream:
    """Plays a clip's takes. Each tick yields a frame, or the reason for none: "paced" (fewer frames
    are wanted) or "encoder" (the pacer is full, or no rendition is loaded yet).

    A new rendition or a key frame takes effect at the next step, `step` ticks apart.
    """

    def __init__(self, step: int, run: int, ticks: int) -> None:
        self.share = 1.0  # of the ticks to send a frame at; at least every second
        self._step, self._run, self._ticks = step, run, ticks
        self._encode: EncodedRendition | None = None
        self._wanted: EncodedRendition | None = None
        self._start = 0
        self._renew = self._broken = False
        self._credit = 0.0

    @property
    def encode(self) -> EncodedRendition | None:
        """The rendition being sent; None before the first frame."""
        return self._encode

    def want(self, encode: EncodedRendition) -> None:
        self._wanted = encode

    def want_keyframe(self) -> None:
        self._renew = True

    def at(self, tick: int, waiting_ms: float) -> FrameToSend | str:
        """The frame of this tick; `waiting_ms` is how long the pacer's queue takes to leave."""
        place = tick % self._ticks
        if place % self._step == 0 and self._wanted is not None:
            over = self._encode is None or tick - self._start >= self._run
            if over or self._renew or self._wanted is not self._encode:
                self._encode, self._start, self._renew = self._wanted, tick, False
                self._broken = False
        if self._encode is None:
            return "encoder"
        index = tick - self._start
        droppable = index % 2 == 1
        if index >= self._run or self._broken:
            return "encoder"
        if droppable:
            self._credit += max(0.0, 2.0 * min(1.0, self.share) - 1.0)
            if self._credit < 1.0:
                return "paced"
            self._credit -= 1.0
        if waiting_ms > (SKIP_MS if droppable else STOP_MS):
            if not droppable:
                self._broken = self._renew = True
            return "encoder"
        take = self._encode.takes[(self._start % self._ticks) // self._step]
        return FrameToSend(take[index], index == 0, droppable, self._encode)
