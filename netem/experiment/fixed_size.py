"""The network's input size of policies that do not adapt it: chosen at the start, then kept."""

from __future__ import annotations

from collections.abc import Sequence

from edge.profile.latency import LatencyProfile
from edge.profile.variant import Variant

BUSY_SHARE = 0.5  # of a device's time that a fixed network may take at the start
SLO_SHARE = 0.25  # of the objective that one picture may take


def fixed_long_side(
    network: str,
    long_sides: Sequence[int],
    shape: tuple[int, int],
    profiles: Sequence[LatencyProfile],
    *,
    frames_a_second: float,
    slo_ms: float,
) -> int:
    """The largest input side that all devices together can serve the frames with, in half of their
    time and each frame in a quarter of the objective; the smallest side if none can.

    `shape` is the pictures' (width, height); `profiles` has one profile a device.
    """
    for long_side in sorted(long_sides, reverse=True):
        variant = Variant(network, long_side)
        size = variant.input_size(*shape)
        slowest_ms = max(profile.latency_ms(variant.name, size, 1) for profile in profiles)
        busy = slowest_ms * frames_a_second / len(profiles) / 1000.0
        if busy <= BUSY_SHARE and slowest_ms <= SLO_SHARE * slo_ms:
            return long_side
    return min(long_sides)
