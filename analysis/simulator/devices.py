"""Simulated devices: how long a batch really takes, drawn from a profile's median and p99."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from edge.profile.latency import LatencyProfile, Size

HANDOVER_MS = 0.3  # of pictures to a worker and of results back, a batch
_P99 = 2.3263  # standard deviations


class Gpus:
    """Draws lognormal times that have the declared median and p99, and counts busy time."""

    def __init__(self, profiles: Sequence[LatencyProfile], rng: random.Random) -> None:
        self._profiles = tuple(profiles)  # as declared; what is served with learns, this doesn't
        self._rng = rng
        self.busy_ms = 0.0

    def __len__(self) -> int:
        return len(self._profiles)

    def run(self, device: int, variant: str, size: Size, batch: int) -> float:
        """Milliseconds until the batch's results are in hand."""
        profile = self._profiles[device]
        p50_ms = profile.typical_ms(variant, size, batch)
        sigma = math.log(max(1.0, profile.latency_ms(variant, size, batch) / p50_ms)) / _P99
        took_ms = p50_ms * math.exp(self._rng.gauss(0.0, sigma)) + HANDOVER_MS
        self.busy_ms += took_ms
        return took_ms
