"""The pictures that a session can send over its link, and the F1 that they give."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from edge.profile.accuracy import AccuracyProfile
from edge.profile.latency import Size
from edge.profile.variant import Variant
from edge.scheduling.assignment import SessionSnapshot

MIN_GAIN = 0.005  # F1 that a larger picture must gain to be sent: less is noise of the measurement
ENOUGH = 0.99  # share of the F1 with unlimited bits, beyond which more bits gain almost nothing
_BITS_STEP = 1.1  # links are distinguished in steps of this factor


class PictureChoice(NamedTuple):
    """For one input size: the best picture to send and its F1."""

    input_long_side: int
    f1: float
    sent_long_side: int


class PictureChooser:
    """Looks up accuracies of one network at the given input and sent long sides, which ascend."""

    def __init__(
        self,
        network: str,
        input_long_sides: Sequence[int],
        sent_long_sides: Sequence[int],
        accuracy: AccuracyProfile,
    ) -> None:
        self._names = [Variant(network, long_side).name for long_side in input_long_sides]
        self._input_long_sides = input_long_sides
        self._sent_long_sides = sent_long_sides
        self._accuracy = accuracy
        self._cached = lru_cache(maxsize=4096)(self._look_up)

    def choices(self, snapshot: SessionSnapshot) -> tuple[PictureChoice, ...]:
        """The best picture that the session's link carries, for each input size."""
        bits_step = math.floor(math.log(max(snapshot.link_bps, 1.0), _BITS_STEP))
        return self._cached(bits_step, snapshot.fps, snapshot.size, snapshot.pins.long_side)

    def f1(self, variant: str, sent_long_side: int, snapshot: SessionSnapshot) -> float:
        """F1 of the variant on pictures of this long side over the session's link."""
        pixels = _pixels(sent_long_side, snapshot.size)
        return self._accuracy.f1(
            variant, sent_long_side, snapshot.link_bps, snapshot.fps, pixels=pixels
        )

    def useful_bps(self, variant: str, sent_long_side: int, snapshot: SessionSnapshot) -> float:
        """The bitrate above which a higher one would hardly raise the F1."""
        pixels = _pixels(sent_long_side, snapshot.size)
        return self._accuracy.enough_bps(
            variant, sent_long_side, snapshot.fps, ENOUGH, pixels=pixels
        )

    def _look_up(
        self, bits_step: int, fps: float, size: Size, pinned_long_side: int | None
    ) -> tuple[PictureChoice, ...]:
        bps = _BITS_STEP**bits_step
        sendable = self._sent_long_sides if pinned_long_side is None else (pinned_long_side,)
        bits_a_pixel = [bps / fps / _pixels(long_side, size) for long_side in sendable]
        table = self._accuracy.f1_table(self._names, sendable, bits_a_pixel)
        choices = []
        for column, long_side in enumerate(self._input_long_sides):
            best = 0
            for row in range(1, len(sendable)):
                if table[row, column] > table[best, column] + MIN_GAIN:
                    best = row
            choices.append(PictureChoice(long_side, float(table[best, column]), sendable[best]))
        return tuple(choices)


def _pixels(long_side: int, size: Size) -> int:
    return max(1, long_side * long_side * min(size) // max(size))
