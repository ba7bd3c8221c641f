"""A device and an accuracy profile with simple laws, for tests of plans."""

from __future__ import annotations

import functools
import math

from edge.profile.accuracy import AccuracyProfile, AccuracyRow
from edge.profile.latency import LatencyEntry, LatencyProfile
from edge.profile.variant import LONG_SIDES, Variant

SENT = (128, 256, 416, 608)


def device(ms_at_608: float = 20.0, batches: tuple[int, ...] = (1,)) -> LatencyProfile:
    """A batch takes time in proportion to its pixels, its p99 as long as its median."""

    def ms(long_side: int, batch: int) -> float:
        return float(ms_at_608 * batch**0.7 * (long_side / LONG_SIDES[-1]) ** 2)

    return LatencyProfile(
        LatencyEntry(
            Variant("yolov4-tiny", long_side).name,
            long_side,
            long_side,
            batch,
            ms(long_side, batch),
            ms(long_side, batch),
        )
        for long_side in LONG_SIDES
        for batch in batches
    )


def f1(input_long_side: int, sent_long_side: int, bits_a_pixel: float) -> float:
    """Larger sees more, on either side; few bits a pixel see less."""
    size = (min(input_long_side, sent_long_side) / 608) ** 0.5
    return float(size) * (1.0 - math.exp(-bits_a_pixel / 0.05))


@functools.cache
def accuracy() -> AccuracyProfile:
    rows = []
    for sent in SENT:
        pixels = sent * sent * 9 // 16
        for step in range(12):
            bits_a_pixel = 0.005 * 2**step
            values = {long_side: f1(long_side, sent, bits_a_pixel) for long_side in LONG_SIDES}
            bits = bits_a_pixel * pixels
            rows.append(
                AccuracyRow(
                    "yolov4-tiny", "law", "vp8", sent, pixels, bits / 1000, bits, values, values
                )
            )
    return AccuracyProfile(rows)
