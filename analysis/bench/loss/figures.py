"""Figures of one run of `bench loss`: frames decoded, and the longest stall. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from analysis.bench.rate.figures import quantile


@dataclass(frozen=True, slots=True)
class LossFigures:
    """`p50` and `p99` are ms from the encoder to a decoded picture, of the frames decoded.

    `nacks` and `plis` are messages that reached the sender, `resent` the packets that it sent
    again, `recovered` those of them that arrived and were missing (None if the receiver does not
    count them).
    """

    captured: int
    decoded: int
    stall_ms: float
    p50: float
    p99: float
    nacks: int
    plis: int
    resent: int
    key_frames: int
    bps: float
    recovered: int | None = None
    network_p50: float | None = None
    network_p99: float | None = None

    @property
    def share(self) -> float:
        """Decoded frames over captured ones; the two are counted a moment apart, so at most 1."""
        return min(1.0, self.decoded / max(1, self.captured))

    def to_json(self) -> dict[str, Any]:
        values = asdict(self) | {"share": self.share}
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in values.items()
        }


def stall_ms(decoded_ms: Sequence[float], begin_ms: float, end_ms: float) -> float:
    """The longest time without a decoded frame between two instants."""
    inside = sorted(ms for ms in decoded_ms if begin_ms < ms < end_ms)
    return max(after - before for before, after in pairwise([begin_ms, *inside, end_ms]))


def quantiles(encoded_ms: Mapping[int, float], done_ms: Mapping[int, float]) -> tuple[float, float]:
    """p50 and p99 of the ms from one to the other, by frame; NaN where no frame is in both."""
    times = [done_ms[rtp] - at_ms for rtp, at_ms in encoded_ms.items() if rtp in done_ms]
    return (quantile(times, 0.5), quantile(times, 0.99)) if times else (math.nan, math.nan)
