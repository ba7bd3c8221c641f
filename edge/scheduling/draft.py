"""The values around a scheduling problem: the sessions, options and profiles that it encodes.

`Planner.draft` builds them. In a problem, a client is a session and a GPU is a device.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from edge.profile.latency import LatencyProfile, Size
from edge.profile.variant import Variant
from edge.scheduling.assignment import SessionSnapshot
from edge.scheduling.problem import Problem

STAY = 0.01  # relative F1 that another option must gain to be given to a session


class ServingOption(NamedTuple):
    """A variant at the input size that a picture's shape makes of it.

    Only frames of the same option share a batch. `network` and `long_side` name the variant,
    `input_size` is (width, height) in pixels.
    """

    long_side: int
    input_size: Size
    network: str

    @property
    def variant(self) -> str:
        """The variant's name."""
        return f"{self.network}-{self.long_side}"

    @property
    def name(self) -> str:
        """Names the option in a problem."""
        width, height = self.input_size
        return f"{self.variant}:{width}x{height}"

    @classmethod
    def of_picture(cls, network: str, long_side: int, size: Size) -> ServingOption:
        """The option for pictures of this size (any scale)."""
        return _of_picture(network, long_side, size)


@lru_cache(4096)
def _of_picture(network: str, long_side: int, size: Size) -> ServingOption:
    """Plans ask for the same ones time and again."""
    return ServingOption(long_side, Variant(network, long_side).input_size(*size), network)


@dataclass(frozen=True, slots=True)
class Draft:
    """A problem to solve, and its meaning.

    `measured_problem` has the latencies as measured, `problem` those with the planner's margin. The
    problem's variants are `options`, its clients `snapshots`. `sent_long_sides` has, for each
    client and option, the long side of the picture to send (0: the option is not for this client).
    """

    problem: Problem
    measured_problem: Problem
    snapshots: tuple[SessionSnapshot, ...]
    options: tuple[ServingOption, ...]
    sent_long_sides: tuple[tuple[int, ...], ...]
    profiles: tuple[LatencyProfile, ...]

    def slower(self, factor: float) -> Problem:
        """The problem on devices that take `factor` times as long."""
        return slower(self.measured_problem, factor)


def slower(problem: Problem, factor: float) -> Problem:
    """The problem with latencies `factor` times as long."""
    longer = tuple(
        replace(variant, latency_ms=tuple(factor * ms for ms in variant.latency_ms))
        for variant in problem.variants
    )
    return replace(problem, variants=longer)
