"""An experiment as a TOML file: a grid of cells, and what is the same in all of them."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from edge.profile.variant import LONG_SIDES, NETWORKS

PolicyName = Literal[
    "ours", "jellyfish", "jellyfish-video", "largest", "smallest", "data-only", "dnn-only"
]
POLICIES: tuple[PolicyName, ...] = (
    "ours",
    "jellyfish",
    "jellyfish-video",
    "largest",
    "smallest",
    "data-only",
    "dnn-only",
)


class SpecError(Exception):
    """An experiment that can't be run; the message names file, field and rule."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TraceSpec(_Part):
    """A link: a trace file, or a kind of generated trace, and what it does to packets beside.

    Generated: every client has its own (`seed` + its number), save `stepped`, which has no chance
    in it. All of a file's clients have the same, each `offset_s` further into it than the last.
    """

    name: str = ""
    file: Path | None = None
    kind: Literal["wifi", "lte", "nr", "stepped"] | None = None
    seed: Annotated[int, Field(ge=0)] = 1
    offset_s: Annotated[float, Field(ge=0)] = 0.0
    rtt_ms: Annotated[float, Field(ge=0, le=2000)] = 10.0
    jitter_ms: Annotated[float, Field(ge=0, le=1000)] = 0.0
    loss: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    queue_bytes: Annotated[int, Field(ge=2000)] = 256_000

    @model_validator(mode="after")
    def _one_source(self) -> TraceSpec:
        if (self.file is None) == (self.kind is None):
            raise ValueError("either file or kind must be given")
        return self

    @property
    def label(self) -> str:
        """What results call it."""
        return self.name or self.kind or (self.file.stem if self.file else "")


class DeviceSpec(_Part):
    """So many devices of one profile."""

    profile: Path
    count: Annotated[int, Field(ge=1, le=64)] = 1


class AccuracySpec(_Part):
    """Measured accuracy, and the network in it that stands in for one that was not measured."""

    file: Path = Path("profiles/accuracy-yolov4-tiny.json")
    as_network: str | None = None


class Costs(_Part):
    """What a frame's way takes beside link and devices, ms."""

    encode_ms: Annotated[float, Field(ge=0)] = 4.0
    decode_ms: Annotated[float, Field(ge=0)] = 0.3
    decode_ms_a_megapixel: Annotated[float, Field(ge=0)] = 2.5


class Simulation(_Part):
    """The grid: every combination of clients, fps, slo_ms, traces, seeds and policies is a run."""

    name: str
    clients: Annotated[list[Annotated[int, Field(ge=1, le=4096)]], Field(min_length=1)]
    fps: Annotated[list[Annotated[float, Field(gt=0, le=120)]], Field(min_length=1)]
    slo_ms: Annotated[list[Annotated[float, Field(ge=20, le=5000)]], Field(min_length=1)]
    traces: Annotated[list[TraceSpec], Field(min_length=1)]
    devices: Annotated[list[DeviceSpec], Field(min_length=1)]
    accuracy: AccuracySpec = AccuracySpec()
    costs: Costs = Costs()
    seconds: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] = [1]
    policies: Annotated[list[PolicyName], Field(min_length=1)] = list(POLICIES)
    network: str = "yolov4"
    edges: Annotated[list[int], Field(min_length=1)] = list(LONG_SIDES)
    max_batch: Annotated[int, Field(ge=1, le=64)] = 8
    max_bps: Annotated[int, Field(ge=100_000)] = 4_000_000
    width: Annotated[int, Field(ge=128)] = 1280
    height: Annotated[int, Field(ge=128)] = 720

    @field_validator("network")
    @classmethod
    def _known_network(cls, name: str) -> str:
        if name not in NETWORKS:
            raise ValueError(f"one of {', '.join(NETWORKS)}")
        return name

    @field_validator("edges")
    @classmethod
    def _known_long_sides(cls, long_sides: list[int]) -> list[int]:
        if not set(long_sides) <= set(LONG_SIDES):
            raise ValueError("of 128 to 608 in steps of 32")
        return sorted(set(long_sides))

    @model_validator(mode="after")
    def _told_apart(self) -> Simulation:
        labels = [trace.label for trace in self.traces]
        if len(set(labels)) < len(labels):
            raise ValueError("traces: two have the same name")
        return self

    @property
    def cells(self) -> Iterator[SimulationCell]:
        """In the order of the results."""
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
    trace: TraceSpec
    seed: int


def load(path: Path) -> Simulation:
    """Reads an experiment; paths in it count from the working directory. Raises SpecError."""
    try:
        data = tomllib.loads(path.read_text())
    except OSError as error:
        raise SpecError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise SpecError(f"{path}: not TOML: {error}") from error
    try:
        experiment = Simulation.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise SpecError(f"{path}: {field + ': ' if field else ''}{message}") from error
    files = [t.file for t in experiment.traces if t.file] + [d.profile for d in experiment.devices]
    for file in [*files, experiment.accuracy.file]:
        if not file.is_file():
            raise SpecError(f"{path}: {file}: no such file")
    return experiment
