"""Simulated devices: a batch's actual time, drawn from a profile's median and p99."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from edge.profile.latency import LatencyProfile, Size

HANDOVER_MS = 0.3  # of a batch's pictures to a worker and its results back
_P99 = 2.3263  # standard deviations of a normal distribution


class SimulatedDevices:
    """Draws lognormal times with the declared median and p99, and adds up the busy time."""

    def __init__(self, profiles: Sequence[LatencyProfile], rng: random.Random) -> None:
        self._profiles = tuple(profiles)  # as declared; those that the server plans with learn
        self._rng = rng
        self.busy_ms = 0.0

    def __len__(self) -> int:
        return len(self._profiles)

    def run(self, device: int, variant: str, size: Size, batch: int) -> float:
        """Milliseconds until the server has the batch's results."""
        profile = self._profiles[device]
        p50_ms = profile.typical_ms(variant, size, batch)
        sigma = math.log(max(1.0, profile.latency_ms(variant, size, batch) / p50_ms)) / _P99
        took_ms = p50_ms * math.exp(self._rng.gauss(0.0, sigma)) + HANDOVER_MS
        self.busy_ms += took_ms
        return took_ms
