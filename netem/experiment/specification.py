"""An experiment as a TOML file: what runs share, and grids of what they differ in."""

from __future__ import annotations

import hashlib
import itertools
import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from edge.profile.variant import LONG_SIDES, NETWORKS
from edge.session.control_messages import SloMs
from netem.footage.camera_file import KNOWN, known_video
from netem.links.link import Kind as LinkKind
from traces import Trace, constant, read
from traces.generate import KINDS

ClientKind = Literal["chromium", "light"]
PolicyName = Literal["ours", "data-only", "dnn-only", "fixed", "aiortc"]
Fps = Annotated[int, Field(ge=1, le=60)]
Width = Annotated[int, Field(ge=128, le=4096)]


class SpecError(Exception):
    """An experiment that can't be run; the message names file, field and rule."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class VideoSpec(_Part):
    """What clients film: `street`, `photographs` or a file each, in turn, scaled to `width`."""

    name: str
    files: Annotated[list[str], Field(min_length=1)]
    width: Width | None = None

    @field_validator("files")
    @classmethod
    def _there(cls, files: list[str]) -> list[str]:
        for file in files:
            if file not in KNOWN and not Path(file).is_file():
                raise ValueError(f"{file}: no such file, and none of {', '.join(KNOWN)}")
        return files

    def video(self, client: int) -> Path:
        """A client's file."""
        file = self.files[client % len(self.files)]
        return known_video(file) if file in KNOWN else Path(file)


class TraceSpec(_Part):
    """An uplink: a trace file, a kind of generated trace, or a rate that doesn't change.

    Generated: every client has its own (`seed` + its number), save `stepped`, which has no chance
    in it. All of a file's clients have the same. Each client is `offset_s` further into it than the
    last. `scale` multiplies the rates, `speed` is how many times faster it passes.
    """

    name: str = ""
    file: Path | None = None
    kind: Literal["wifi", "lte", "nr", "stepped"] | None = None
    mbps: Annotated[float, Field(gt=0, le=10_000)] | None = None
    seed: Annotated[int, Field(ge=0)] = 1
    offset_s: Annotated[float, Field(ge=0)] = 0.0
    scale: Annotated[float, Field(gt=0, le=1000)] = 1.0
    speed: Annotated[float, Field(gt=0, le=1000)] = 1.0

    @model_validator(mode="after")
    def _one_source(self) -> TraceSpec:
        if sum(each is not None for each in (self.file, self.kind, self.mbps)) != 1:
            raise ValueError("one of file, kind and mbps must be given")
        return self

    @property
    def label(self) -> str:
        """What results call it."""
        known = self.name or self.kind or (self.file.stem if self.file else "")
        return known or f"{self.mbps:g}mbit"

    def trace(self, client: int, seconds: float) -> Trace:
        """A client's link for so long. Raises TraceError and OSError."""
        begin_s = client * self.offset_s
        whole_s = (begin_s + seconds) * self.speed
        if self.mbps is not None:
            made = constant(1e6 * self.mbps)
        elif self.kind is not None:
            made = KINDS[self.kind](self.seed + client, max(whole_s, 1.0))
        else:
            assert self.file is not None
            made = read(self.file)
        part = made.window(1000.0 * begin_s * self.speed, 1000.0 * whole_s)
        return Trace(
            part.at_ms / self.speed,
            part.rate_bps * self.scale,
            part.duration_ms / self.speed,
            delay_ms=part.delay_ms,
            jitter_ms=part.jitter_ms,
            loss=part.loss,
            name=self.label,
        )


class FixedSpec(_Part):
    """What those use who don't adapt: the network's input side, what is sent, its bits a second.
    What is left out is chosen from the devices' profiles (simulated devices only)."""

    edge: int
    sent_edge: Annotated[int, Field(ge=64, le=4096)]
    sent_bps: Annotated[int, Field(ge=50_000)]

    @field_validator("edge")
    @classmethod
    def _known_long_side(cls, long_side: int) -> int:
        if long_side not in LONG_SIDES:
            raise ValueError("128 to 608 in steps of 32")
        return long_side


class ClientSpec(_Part):
    """What a client has of its own, instead of what its run's cell says."""

    fps: Fps | None = None
    slo_ms: SloMs | None = None
    video: str | None = None


class GridSpec(_Part):
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


class Experiment(_Part):
    """What all runs share, and the grids, whose runs come in their order."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    seconds: Annotated[float, Field(ge=2, le=3600)] = 30.0
    settle_s: Annotated[float, Field(ge=0, le=60)] = 3.0
    """From when every client has had an answer until what is measured begins."""
    device: Annotated[list[str], Field(min_length=1)] = ["cpu"]
    profile: list[Path] = []
    network: str = "yolov4-tiny"
    accuracy: Path = Path("profiles/accuracy-yolov4-tiny.json")
    as_network: str | None = None
    """Whose accuracy, in that file, stands for the network's."""
    edges: Annotated[list[int], Field(min_length=1)] = list(LONG_SIDES)
    max_batch: Annotated[int, Field(ge=1, le=64)] = 8
    max_bps: Annotated[int, Field(ge=100_000)] = 4_000_000
    fixed: FixedSpec | None = None
    link: LinkKind = "auto"
    queue_ms: Annotated[float, Field(gt=0, le=10_000)] = 200.0
    videos: list[VideoSpec] = [VideoSpec(name="street", files=["street"])]
    traces: Annotated[list[TraceSpec], Field(min_length=1)]
    client: list[ClientSpec] = []
    grids: Annotated[list[GridSpec], Field(min_length=1)]

    @field_validator("network")
    @classmethod
    def _known_network(cls, name: str) -> str:
        if name not in NETWORKS:
            raise ValueError(f"one of {', '.join(NETWORKS)}")
        return name

    @model_validator(mode="after")
    def _names(self) -> Experiment:
        for field, names, asked in (
            ("traces", [t.label for t in self.traces], [g.traces for g in self.grids]),
            ("videos", [v.name for v in self.videos], [g.videos for g in self.grids]),
        ):
            if len(set(names)) < len(names):
                raise ValueError(f"{field}: two have the same name")
            for name in itertools.chain.from_iterable(asked):
                if name not in names:
                    raise ValueError(f"grids: {field}: {name!r}: of {', '.join(names)}")
        videos = [video.name for video in self.videos]
        for client in self.client:
            if client.video is not None and client.video not in videos:
                raise ValueError(f"client: video: {client.video!r}: of {', '.join(videos)}")
        adapts = {policy for grid in self.grids for policy in grid.policies} <= {"ours"}
        if not adapts and self.fixed is None and not self.simulated:
            raise ValueError("fixed: must be given where policies other than ours run on devices")
        return self

    @property
    def simulated(self) -> bool:
        """Whether the devices are: then nothing is detected."""
        return all(device.startswith("sim:") for device in self.device)

    @property
    def cells(self) -> Iterator[ExperimentCell]:
        """The runs, in the order of the grids; each once."""
        traces = {trace.label: trace for trace in self.traces}
        videos = {video.name: video for video in self.videos}
        seen: set[str] = set()
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
                if cell.name not in seen:
                    seen.add(cell.name)
                    yield cell

    def key(self, cell: ExperimentCell) -> str:
        """Of all that makes a run what it is: another key, another run."""
        shared = self.model_dump(mode="json", exclude={"name", "grids", "traces", "videos"})
        text = json.dumps([shared, cell.asked], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class ExperimentCell:
    """One run's place in the matrix."""

    kind: ClientKind
    clients: int
    fps: int
    slo_ms: float
    trace: TraceSpec
    delay_ms: float
    video: VideoSpec
    policy: PolicyName
    repetition: int

    @property
    def name(self) -> str:
        """Its folder's."""
        return (
            f"{self.kind}-{self.trace.label}-{self.delay_ms:g}ms-{self.video.name}"
            f"-{self.clients}x{self.fps}fps-{self.slo_ms:g}ms-{self.policy}-{self.repetition}"
        )

    @property
    def asked(self) -> dict[str, Any]:
        """All of it, for the manifest."""
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
    """Reads an experiment; paths in it count from the working directory. Raises SpecError."""
    try:
        data = tomllib.loads(path.read_text())
    except OSError as error:
        raise SpecError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise SpecError(f"{path}: not TOML: {error}") from error
    try:
        experiment = Experiment.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise SpecError(f"{path}: {field + ': ' if field else ''}{message}") from error
    files = [trace.file for trace in experiment.traces if trace.file]
    files += [Path(each.removeprefix("sim:")) for each in experiment.device if each[:4] == "sim:"]
    for file in [*files, *experiment.profile, experiment.accuracy]:
        if not file.is_file():
            raise SpecError(f"{path}: {file}: no such file")
    return experiment
