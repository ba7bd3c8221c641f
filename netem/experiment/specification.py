"""An experiment as a TOML file: what runs share, and grids of what they differ in."""

# ruff: noqa: RUF012  # pydantic copies mutable defaults
from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from edge.config import SloMs
from edge.profile.variant import LONG_SIDES
from netem.footage.camera_file import SAMPLES, sample_video
from netem.links.emulated_link import Kind as LinkKind
from netem.specification import (
    DEFAULT_ACCURACY,
    ExistingFile,
    F1Factors,
    LongSides,
    NetworkName,
    SpecPart,
    TraceSource,
    family_mistakes,
    find_file,
    load_spec,
    repeated,
)
from traces import Trace, constant, read
from traces.generate import KINDS

ClientKind = Literal["chromium", "light"]
PolicyName = Literal[
    "ours", "data-only", "dnn-only", "fixed", "aiortc", "first-network", "last-network"
]
ADAPTING = {"ours", "first-network", "last-network"}
Fps = Annotated[int, Field(ge=1, le=60)]
Width = Annotated[int, Field(ge=128, le=4096)]
# Settings that came later: unset, runs made before them stay finished.
_ADDED = ("server_cpus", "family", "accuracy_factors")


def _find_video(file: str, info: ValidationInfo) -> str:
    if file in SAMPLES:
        return file
    try:
        return str(find_file(Path(file), info))
    except ValueError as error:
        raise ValueError(f"{error}, and not one of {', '.join(SAMPLES)}") from None


def _find_device(device: str, info: ValidationInfo) -> str:
    kind, colon, profile = device.partition(":")
    return f"sim:{find_file(Path(profile), info)}" if kind + colon == "sim:" else device


class VideoSpec(SpecPart):
    """The clients' video: `street`, `photographs` or a file each, in turn, scaled to `width`."""

    name: str
    files: Annotated[list[Annotated[str, AfterValidator(_find_video)]], Field(min_length=1)]
    width: Width | None = None

    def video(self, client: int) -> Path:
        """A client's file."""
        file = self.files[client % len(self.files)]
        return sample_video(file) if file in SAMPLES else Path(file)


class UplinkSpec(TraceSource):
    """An uplink: a trace file, a kind of generated trace, or a constant rate.

    `scale` multiplies the rates; `speed` is how many times faster the trace passes.
    """

    mbps: Annotated[float, Field(gt=0, le=10_000)] | None = None
    scale: Annotated[float, Field(gt=0, le=1000)] = 1.0
    speed: Annotated[float, Field(gt=0, le=1000)] = 1.0

    @model_validator(mode="after")
    def _one_source(self) -> UplinkSpec:
        if sum(each is not None for each in (self.file, self.kind, self.mbps)) != 1:
            raise ValueError("one of file, kind and mbps must be given")
        return self

    @property
    def label(self) -> str:
        """Its name in the results."""
        return super().label or f"{self.mbps:g}mbit"

    def trace(self, client: int, seconds: float) -> Trace:
        """The first `seconds` of a client's link. Raises TraceError and OSError."""
        begin_s = client * self.offset_s
        whole_s = (begin_s + seconds) * self.speed
        if self.mbps is not None:
            source = constant(1e6 * self.mbps)
        elif self.kind is not None:
            source = KINDS[self.kind](self.seed + client, max(whole_s, 1.0))
        else:
            assert self.file is not None
            source = read(self.file)
        part = source.window(1000.0 * begin_s * self.speed, 1000.0 * whole_s)
        return Trace(
            part.at_ms / self.speed,
            part.rate_bps * self.scale,
            part.duration_ms / self.speed,
            delay_ms=part.delay_ms,
            jitter_ms=part.jitter_ms,
            loss=part.loss,
            name=self.label,
        )


class FixedSpec(SpecPart):
    """The values of the policies that do not adapt: the network's input side, the long side of the
    sent picture and its bits a second."""

    edge: int
    sent_edge: Annotated[int, Field(ge=64, le=4096)]
    sent_bps: Annotated[int, Field(ge=50_000)]

    @field_validator("edge")
    @classmethod
    def _known_long_side(cls, long_side: int) -> int:
        if long_side not in LONG_SIDES:
            raise ValueError("128 to 608 in steps of 32")
        return long_side


class ClientSpec(SpecPart):
    """A client's own values, in place of its cell's."""

    fps: Fps | None = None
    slo_ms: SloMs | None = None
    video: str | None = None


class GridSpec(SpecPart):
    """Every combination of these is a run; `traces` and `videos` by their names."""

    traces: Annotated[list[str], Field(min_length=1)]
    clients: Annotated[list[Annotated[int, Field(ge=1, le=64)]], Field(min_length=1)] = [1]
    kinds: Annotated[list[ClientKind], Field(min_length=1)] = ["chromium"]
    fps: Annotated[list[Fps], Field(min_length=1)] = [15]
    slo_ms: Annotated[list[SloMs], Field(min_length=1)] = [100.0]
    delay_ms: Annotated[list[Annotated[float, Field(ge=0, le=2000)]], Field(min_length=1)] = [0.0]
    videos: Annotated[list[str], Field(min_length=1)] = ["street"]
    policies: Annotated[list[PolicyName], Field(min_length=1)] = ["ours"]
    repetitions: Annotated[int, Field(ge=1, le=100)] = 1


class Experiment(SpecPart):
    """The settings that all runs share, and the grids; runs come in the order of the grids."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    seconds: Annotated[float, Field(ge=2, le=3600)] = 30.0
    settle_s: Annotated[float, Field(ge=0, le=60)] = 3.0
    """From the last client's first answer to the beginning of the measurement."""
    device: Annotated[list[Annotated[str, AfterValidator(_find_device)]], Field(min_length=1)] = [
        "cpu"
    ]
    profile: list[ExistingFile] = []
    network: NetworkName = "yolov4-tiny"
    family: list[NetworkName] = []
    """Further networks; the plan chooses among all of them."""
    accuracy: Annotated[ExistingFile, Field(validate_default=True)] = DEFAULT_ACCURACY
    as_network: str | None = None
    """The network whose accuracy, in that file, stands for this network's."""
    accuracy_factors: F1Factors = {}
    """For each network, what its F1 is assumed to be as a multiple of `as_network`'s."""
    edges: LongSides = list(LONG_SIDES)
    max_batch: Annotated[int, Field(ge=1, le=64)] = 8
    max_bps: Annotated[int, Field(ge=100_000)] = 4_000_000
    server_cpus: list[Annotated[int, Field(ge=0, le=4095)]] = []
    """Processors for the server alone; browsers and links have the others. None: all are shared."""
    fixed: FixedSpec | None = None
    link: LinkKind = "auto"
    queue_ms: Annotated[float, Field(gt=0, le=10_000)] = 200.0
    videos: list[VideoSpec] = [VideoSpec(name="street", files=["street"])]
    traces: Annotated[list[UplinkSpec], Field(min_length=1)]
    client: list[ClientSpec] = []
    grids: Annotated[list[GridSpec], Field(min_length=1)]

    @model_validator(mode="after")
    def _names(self) -> Experiment:
        problems = []
        traces = [trace.label for trace in self.traces]
        videos = [video.name for video in self.videos]
        for field, names in ("traces", traces), ("videos", videos):
            problems += [f"{field}: two are called {name!r}" for name in repeated(names)]
        for number, grid in enumerate(self.grids):
            for field, names, used in (
                ("traces", traces, grid.traces),
                ("videos", videos, grid.videos),
            ):
                problems += [
                    f"grids[{number}].{field}: {name!r} is not one of {', '.join(names)}"
                    for name in used
                    if name not in names
                ]
        for number, client in enumerate(self.client):
            if client.video is not None and client.video not in videos:
                known = ", ".join(videos)
                problems.append(f"client[{number}].video: {client.video!r} is not one of {known}")
        policies = {policy for grid in self.grids for policy in grid.policies}
        problems += family_mistakes(
            self.network,
            self.family,
            list(self.accuracy_factors),
            "accuracy_factors",
            sorted(policies),
        )
        if not policies <= ADAPTING and self.fixed is None and not self.simulated:
            problems.append(
                f"missing key `fixed`: policies other than {', '.join(sorted(ADAPTING))} run on "
                "real devices"
            )
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @property
    def networks(self) -> list[str]:
        """All that may be served."""
        return [self.network, *self.family]

    @property
    def simulated(self) -> bool:
        """Whether all devices are simulated: then nothing is detected."""
        return all(device.startswith("sim:") for device in self.device)

    @property
    def cells(self) -> Iterator[ExperimentCell]:
        """The runs, in the order of the grids; each once."""
        traces = {trace.label: trace for trace in self.traces}
        videos = {video.name: video for video in self.videos}
        names: set[str] = set()
        for grid in self.grids:
            for repetition, trace, delay_ms, video, kind, clients, fps, slo_ms, policy in (
                itertools.product(
                    range(1, grid.repetitions + 1), grid.traces, grid.delay_ms, grid.videos,
                    grid.kinds, grid.clients, grid.fps, grid.slo_ms, grid.policies,
                )
            ):  # fmt: skip
                cell = ExperimentCell(
                    kind, clients, fps, slo_ms, traces[trace], delay_ms, videos[video], policy,
                    repetition,
                )  # fmt: skip
                if cell.name not in names:
                    names.add(cell.name)
                    yield cell

    def key(self, cell: ExperimentCell) -> str:
        """A hash of everything that a run depends on: a finished run with another key is stale."""
        unset = {field for field in _ADDED if not getattr(self, field)}
        left_out = {"name", "grids", "traces", "videos"} | unset
        shared = self.model_dump(mode="json", exclude=left_out)
        text = json.dumps([shared, cell.asked], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class ExperimentCell:
    """One run's place in the matrix."""

    kind: ClientKind
    clients: int
    fps: int
    slo_ms: float
    trace: UplinkSpec
    delay_ms: float
    video: VideoSpec
    policy: PolicyName
    repetition: int

    @property
    def name(self) -> str:
        """The name of its folder."""
        return (
            f"{self.kind}-{self.trace.label}-{self.delay_ms:g}ms-{self.video.name}"
            f"-{self.clients}x{self.fps}fps-{self.slo_ms:g}ms-{self.policy}-{self.repetition}"
        )

    @property
    def asked(self) -> dict[str, Any]:
        """All of its values, for the manifest."""
        return {
            "kind": self.kind,
            "clients": self.clients,
            "fps": self.fps,
            "slo_ms": self.slo_ms,
            "trace": self.trace.model_dump(mode="json"),
            "delay_ms": self.delay_ms,
            "video": self.video.model_dump(mode="json"),
            "policy": self.policy,
            "repetition": self.repetition,
        }


def load(path: Path) -> Experiment:
    """Reads an experiment file. Raises SpecError."""
    return load_spec(path, Experiment)
