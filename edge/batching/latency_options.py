"""The variants that a frame may be served with, and what each takes on every device."""

from __future__ import annotations

import math

from edge.batching.request import Size


class LatencyOption:
    """A variant at an input size, with its latencies. Frames of the same option share a batch."""

    __slots__ = (
        "alone_ms",
        "batch_ms",
        "cost_ms",
        "fastest_ms",
        "input_size",
        "single_ms",
        "typical_ms",
        "variant",
        "version",
    )

    def __init__(self, variant: str, input_size: Size) -> None:
        self.variant = variant
        self.input_size = input_size
        self.batch_ms: list[list[float]] = []
        """For each device, the p99 latency of batches of 1, 2, ... frames."""
        self.single_ms: list[float] = []
        """For each device, the p99 latency of a single frame."""
        self.fastest_ms = math.inf
        """The p99 latency of a single frame on the fastest live device."""
        self.typical_ms = math.inf
        """The median latency of a single frame on the fastest live device."""
        self.alone_ms = math.inf
        """Time a frame on all live devices together, each frame in a batch of its own."""
        self.cost_ms = math.inf
        """The same in the batches with the least time a frame; the cost limit is about this."""
        self.version = -1
        """The version of `DeviceLatencies` that these figures are from."""


class LatencyOptions:
    """The options of a frame, best first."""

    __slots__ = ("cheapest", "fastest_ms", "options", "typical_ms", "version")

    def __init__(self, options: tuple[LatencyOption, ...]) -> None:
        self.options = options
        self.fastest_ms = self.typical_ms = math.inf
        self.cheapest = options[0]
        self.version = -1

    def best_within(self, cost_limit_ms: float) -> LatencyOption:
        """The best option with a cost of at most `cost_limit_ms` a frame, or else the cheapest."""
        for option in self.options:
            if option.cost_ms <= cost_limit_ms and option.fastest_ms < math.inf:
                return option
        return self.cheapest
