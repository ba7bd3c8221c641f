"""A device and an accuracy profile with simple laws, for tests of plans."""

from __future__ import annotations

import functools
import math

from edge.profile.accuracy import AccuracyProfile, AccuracyRow
from edge.profile.latency import LatencyEntry, LatencyProfile
from edge.profile.variant import LONG_SIDES, Variant

SENT = (128, 256, 416, 608)


def device(
    ms_at_608: float = 20.0, batches: tuple[int, ...] = (1,), full: float | None = None
) -> LatencyProfile:
    """A batch takes time in proportion to its pixels, its p99 as long as its median.

    With `full`, YOLOv4 takes so many times as long.
    """

    def ms(long_side: int, batch: int) -> float:
        return float(ms_at_608 * batch**0.7 * (long_side / LONG_SIDES[-1]) ** 2)

    networks = [("yolov4-tiny", 1.0), *([] if full is None else [("yolov4", full)])]

    return LatencyProfile(
        LatencyEntry(
            Variant(network, long_side).name,
            long_side,
            long_side,
            batch,
            times * ms(long_side, batch),
            times * ms(long_side, batch),
        )
        for network, times in networks
        for long_side in LONG_SIDES
        for batch in batches
    )


def f1(input_long_side: int, sent_long_side: int, bits_a_pixel: float) -> float:
    """Larger sees more, on either side; few bits a pixel see less."""
    size = (min(input_long_side, sent_long_side) / 608) ** 0.5
    return float(size) * (1.0 - math.exp(-bits_a_pixel / 0.05))


@functools.cache
def accuracy(tiny: float = 1.0) -> AccuracyProfile:
    """Of YOLOv4 by the law above; YOLOv4-tiny finds the part `tiny` of it."""
    rows = []
    for sent in SENT:
        pixels = sent * sent * 9 // 16
        for step in range(12):
            bits_a_pixel = 0.005 * 2**step
            values = {long_side: f1(long_side, sent, bits_a_pixel) for long_side in LONG_SIDES}
            bits = bits_a_pixel * pixels
            for network, part in (("yolov4-tiny", tiny), ("yolov4", 1.0)):
                found = {long_side: part * value for long_side, value in values.items()}
                rows.append(
                    AccuracyRow(
                        network, "law", "vp8", sent, pixels, bits / 1000, bits, found, found
                    )
                )
    return AccuracyProfile(rows)
