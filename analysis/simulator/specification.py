"""A simulator file (docs/formats/simulator.md): a grid of cells, and the values that all share."""

# ruff: noqa: RUF012  # pydantic copies mutable defaults
from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from edge.profile.variant import LONG_SIDES
from netem.specification import (
    DEFAULT_ACCURACY,
    NETWORK_ALONE,
    ExistingFile,
    F1Factors,
    LongSides,
    NetworkName,
    SpecPart,
    TraceSource,
    family_mistakes,
    load_spec,
    repeated,
)

PolicyName = Literal[
    "ours",
    "jellyfish",
    "jellyfish-video",
    "largest",
    "smallest",
    "data-only",
    "dnn-only",
    "first-network",
    "last-network",
]
POLICIES: tuple[PolicyName, ...] = tuple(
    name for name in get_args(PolicyName) if name not in NETWORK_ALONE
)
"""Those that need no `family`: the default."""


class SimulatedLinkSpec(TraceSource):
    """A simulated link: its trace, and its delay, jitter, loss and queue."""

    rtt_ms: Annotated[float, Field(ge=0, le=2000)] = 10.0
    jitter_ms: Annotated[float, Field(ge=0, le=1000)] = 0.0
    loss: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    queue_bytes: Annotated[int, Field(ge=2000)] = 256_000

    @model_validator(mode="after")
    def _one_source(self) -> SimulatedLinkSpec:
        if (self.file is None) == (self.kind is None):
            raise ValueError("either file or kind must be given")
        return self


class DeviceSpec(SpecPart):
    """Devices that share a latency profile."""

    profile: ExistingFile
    count: Annotated[int, Field(ge=1, le=64)] = 1


class AccuracySpec(SpecPart):
    """Measured accuracy, and the network in it that stands in for one without measurements, or,
    times a factor, for each of a family's."""

    file: Annotated[ExistingFile, Field(validate_default=True)] = DEFAULT_ACCURACY
    as_network: str | None = None
    factors: F1Factors = {}


class Costs(SpecPart):
    """A frame's time besides link and devices, ms."""

    encode_ms: Annotated[float, Field(ge=0)] = 4.0
    decode_ms: Annotated[float, Field(ge=0)] = 0.3
    decode_ms_a_megapixel: Annotated[float, Field(ge=0)] = 2.5


class Simulation(SpecPart):
    """A grid: every combination of clients, fps, slo_ms, traces, seeds and policies is a run."""

    name: str
    clients: Annotated[list[Annotated[int, Field(ge=1, le=4096)]], Field(min_length=1)]
    fps: Annotated[list[Annotated[float, Field(gt=0, le=120)]], Field(min_length=1)]
    slo_ms: Annotated[list[Annotated[float, Field(ge=20, le=5000)]], Field(min_length=1)]
    traces: Annotated[list[SimulatedLinkSpec], Field(min_length=1)]
    devices: Annotated[list[DeviceSpec], Field(min_length=1)]
    accuracy: Annotated[AccuracySpec, Field(default_factory=dict, validate_default=True)]
    costs: Costs = Costs()
    seconds: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] = [1]
    policies: Annotated[list[PolicyName], Field(min_length=1)] = list(POLICIES)
    network: NetworkName = "yolov4"
    family: list[NetworkName] = []
    edges: LongSides = list(LONG_SIDES)
    max_batch: Annotated[int, Field(ge=1, le=64)] = 8
    max_bps: Annotated[int, Field(ge=100_000)] = 4_000_000
    width: Annotated[int, Field(ge=128)] = 1280
    height: Annotated[int, Field(ge=128)] = 720

    @model_validator(mode="after")
    def _names(self) -> Simulation:
        problems = []
        if names := repeated([trace.label for trace in self.traces]):
            problems.append(f"traces: two have the same name: {', '.join(names)}")
        problems += family_mistakes(
            self.network,
            self.family,
            list(self.accuracy.factors),
            "accuracy.factors",
            self.policies,
        )
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @property
    def networks(self) -> list[str]:
        """All that the plan may choose among."""
        return [self.network, *self.family]

    @property
    def cells(self) -> Iterator[SimulationCell]:
        """The cells in the order of the results."""
        for trace, clients, fps, slo_ms, seed in itertools.product(
            self.traces, self.clients, self.fps, self.slo_ms, self.seeds
        ):
            yield SimulationCell(clients, fps, slo_ms, trace, seed)


@dataclass(frozen=True, slots=True)
class SimulationCell:
    """One place in the grid; all policies run in each."""

    clients: int
    fps: float
    slo_ms: float
    trace: SimulatedLinkSpec
    seed: int


def load(path: Path) -> Simulation:
    """Reads a simulation file. Raises SpecError."""
    return load_spec(path, Simulation)
