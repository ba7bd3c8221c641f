"""Devices with simple laws, and variants, for tests of batching."""

from __future__ import annotations

from edge.profile.latency import LatencyEntry, LatencyProfile
from edge.profile.variant import LONG_SIDES


def profile(
    fixed_ms: float, pixels_ms: float, max_batch: int = 8, usual: float = 1.0
) -> LatencyProfile:
    """A device that takes `fixed_ms` a batch and `pixels_ms` for each 608 x 608 in it, and usually
    the part `usual` of that."""
    entries = []
    for long_side in LONG_SIDES:
        for batch in range(1, max_batch + 1):
            ms = fixed_ms + pixels_ms * batch * (long_side / 608) ** 2
            entries.append(
                LatencyEntry(
                    f"yolov4-tiny-{long_side}", long_side, long_side, batch, usual * ms, ms
                )
            )
    return LatencyProfile(entries)


def cpu(ms_608: float = 46.0) -> LatencyProfile:
    return profile(0.0, ms_608)


def gpu() -> LatencyProfile:
    return profile(8.0, 12.0)


def names(*long_sides: int) -> tuple[str, ...]:
    return tuple(f"yolov4-tiny-{long_side}" for long_side in long_sides)
