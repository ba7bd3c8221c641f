"""What an experiment leaves on disk: its folders, its tables and their columns.

    DIR/experiment.toml          the experiment as it was asked for
    DIR/runs.csv                 a line a finished run (RunRow)
    DIR/runs/NAME/frames.csv     a line a captured frame (FrameRow)
                  sessions.csv   a line a client (SessionRow)
                  plans.csv      what was planned: a line a session and plan (PlanRow)
                  hints.csv      what clients were asked for, as they heard it (HintRow)
                  link.csv       what each client's uplink did (LinkRow)
                  summary.json   the run as one RunRow
                  manifest.json  how it was made (Manifest); a folder with it is a finished run
                  server.log     the server's own words

Times (`..._ms` that are no durations) count from the run's beginning, which is the links' traces'
time 0 as well: `Manifest.origin_ms` on the machine's monotonic clock, in milliseconds. What came
before, while clients connected, has negative times and `measured` false. Empty: not known.
"""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from netem.experiment.tables import TableError, rows_of, text_of

RUNS, RUN_ROWS, SPEC = "runs", "runs.csv", "experiment.toml"
FRAMES, SESSIONS, PLANS = "frames.csv", "sessions.csv", "plans.csv"
HINTS, LINK, SUMMARY, MANIFEST = "hints.csv", "link.csv", "summary.json", "manifest.json"
SERVER_LOG = "server.log"

IN_TIME, LATE, PACED, ENCODER, LOST = "in_time", "late", "paced", "encoder", "lost"
OUTCOMES = (
    IN_TIME, LATE, "superseded", "overload", "hopeless", LOST, "no_plan", "failed", "too_large",
    PACED, ENCODER, "stopped",
)  # fmt: skip
"""A frame's outcomes, as in docs/embed/protocol.md, except that the server's `late` is `hopeless`
here, apart from an answer that came late. `lost` has neither an answer nor a reason."""


class ResultsError(Exception):
    """Results that can't be read; the message names file, line and column."""


@dataclass(slots=True)
class FrameRow:
    """A captured frame; each is there once."""

    client: int
    """Its number in the run, from 0."""
    session: str
    source: int
    """The frame of the source video, counted from 0 in the file's own frames."""
    rtp: int | None
    captured_ms: float
    sent_ms: float | None
    """It had left the encoder (Chromium), or its last packet the pacer (light publisher)."""
    received_ms: float | None
    """The server's, as all up to `inferred_ms`: the last packet came."""
    decoded_ms: float | None
    dispatched_ms: float | None
    inferred_ms: float | None
    returned_ms: float | None
    """The answer was in the client's hands, and drawn."""
    width: int | None
    """Of the sent picture."""
    height: int | None
    bytes: int | None
    key: bool | None
    variant: str
    batch: int | None
    outcome: str
    infeasible: bool
    """The network's time alone had eaten the objective."""
    measured: bool
    """Captured within the run's measured seconds: summaries are of these."""
    truth: int
    """Boxes that the reference finds in the untouched source frame."""
    found: int | None
    """Boxes of the answer, 0 if there was none in time; not known on simulated devices."""
    matched: int | None
    """Of those, how many agree with a true one (same class, IoU of 0.5)."""
    f1_simulated: float
    """What `edge.profile.accuracy` expects of the variant at the sent size and bits; 0 if not in
    time."""


@dataclass(slots=True)
class PlanRow:
    """A session's part in a plan, and what was known of it when it was made."""

    at_ms: float
    plan: int
    """Plans are numbered from 1."""
    solve_ms: float
    client: int
    session: str
    slo_ms: float
    fps: float
    left_ms: float
    """Of the objective, for queueing and inference."""
    bps: float
    """What its link was known to carry in time."""
    hinted_edge: int
    variant: str
    """Empty: not served."""
    edge: int
    """The longest side worth sending."""
    useful_bps: float
    gain: float
    reason: str


@dataclass(slots=True)
class HintRow:
    """What a client was asked to send, when it heard of it."""

    at_ms: float
    client: int
    seq: int
    max_edge: int
    fps: float
    max_bps: int
    variant: str
    reason: str


@dataclass(slots=True)
class LinkRow:
    """An uplink at a time: the rate in force, and counts since the link was made."""

    at_ms: float
    client: int
    rate_bps: float
    passed_bytes: int
    backlog_bytes: int
    dropped: int
    """Packets that a full queue refused."""
    lost: int


@dataclass
class SessionDescription:
    """Which client it is, and what it wants."""

    client: int
    kind: str
    """`chromium` or `light`."""
    session: str
    video: str
    width: int
    """Of the source picture."""
    height: int
    fps: float
    slo_ms: float
    trace: str
    delay_ms: float
    link: str
    """What emulated it: `tun`, `tbf`, `tbf+netem`."""


@dataclass
class RunDescription:
    """A run's place in the matrix, and how busy the machine was."""

    run: str
    """Its folder's name."""
    experiment: str
    policy: str
    kind: str
    clients: int
    fps: float
    slo_ms: float
    trace: str
    delay_ms: float
    video: str
    device: str
    simulated: bool
    """The devices: then the run's F1 is `f1_simulated`."""
    repetition: int
    seconds: float
    plans: int
    cpu_busy: float
    """Share of the machine's processor time that was used meanwhile, by anybody: near 1, lateness
    may be the machine's and nobody's policy."""
    server_cores: float
    """Processor time of the server's own process (without workers) over time."""


@dataclass
class FrameCounts:
    """What became of the measured frames, of a client or of a run.

    captured = in_time + late + superseded + overload + hopeless + lost + no_plan + failed +
    too_large + paced + encoder + stopped.
    """

    captured: int
    in_time: int
    late: int
    superseded: int
    overload: int
    hopeless: int
    lost: int
    no_plan: int
    failed: int
    too_large: int
    paced: int
    encoder: int
    stopped: int
    infeasible: int
    """Among all that were not in time."""
    miss_rate: float
    """Frames neither in time nor infeasible nor `paced`, of those that are neither of the two."""
    infeasible_share: float
    """Of captured."""
    in_time_share: float
    """Of captured: nothing is taken off."""
    sender_share: float
    """Of captured: misses of the client's own making, `encoder` or late with over half of the
    objective gone before the frame had left the encoder. Large: its machine is too busy."""
    f1: float | None
    """At IoU 0.5 over all captured frames, a frame not in time detecting nothing; only where
    devices detect."""
    f1_simulated: float
    """Mean over all captured frames of what `edge.profile.accuracy` expects."""
    p50_ms: float | None
    """From capture to the answer in hand, of answered frames."""
    p90_ms: float | None
    p99_ms: float | None
    encode_p50_ms: float | None
    """Capture to sent; `network` from there to received, `server` to inferred, `back` to
    returned: medians of answered frames."""
    network_p50_ms: float | None
    server_p50_ms: float | None
    back_p50_ms: float | None
    encode_p99_ms: float | None
    network_p99_ms: float | None
    server_p99_ms: float | None
    back_p99_ms: float | None
    sent_mbps: float
    """Encoded video a client, mean."""
    link_mbps: float
    """What a client's uplink could carry, mean."""
    size_changes: int
    variant_changes: int


@dataclass
class SessionRow(FrameCounts, SessionDescription):
    """A client, and what became of its measured frames."""


@dataclass
class RunRow(FrameCounts, RunDescription):
    """A run, and what became of all its clients' measured frames."""


@dataclass(slots=True)
class Manifest:
    """How a run was made. Written last: where it is, the run is whole."""

    run: str
    key: str
    """Of all that was asked for: another key, and the run is made anew."""
    command: str
    commit: str
    """With `+` where the working tree had changes."""
    machine: str
    versions: dict[str, str]
    seeds: dict[str, int]
    origin_ms: float
    began: str
    """ISO 8601, UTC."""
    took_s: float
    asked: dict[str, Any]
    """The run's place in the matrix and all its settings."""
    notes: list[str] = field(default_factory=list)


Row = TypeVar("Row")


def columns(kind: type) -> tuple[str, ...]:
    """A table's columns, in order."""
    return tuple(each.name for each in dataclasses.fields(kind))


def write(path: Path, kind: type[Row], rows: Iterable[Row]) -> None:
    """A table as CSV: floats to six digits or a thousandth, booleans 0 or 1, None empty."""
    names = columns(kind)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([text_of(getattr(row, name)) for name in names] for row in rows)


def read(path: Path, kind: type[Row]) -> list[Row]:
    """A table's rows; raises ResultsError, and OSError as open does."""
    with path.open(newline="") as file:
        try:
            return rows_of(csv.DictReader(file), kind)
        except TableError as error:
            raise ResultsError(f"{path}{error}") from error


def write_json(path: Path, value: Any) -> None:
    """A dataclass as JSON, whole or not at all."""
    partial = path.with_name(f".{path.name}.part")
    partial.write_text(json.dumps(dataclasses.asdict(value), indent=2) + "\n")
    partial.replace(path)


def read_json(path: Path, kind: type[Row]) -> Row:
    """A dataclass from its JSON; raises ResultsError, and OSError as open does."""
    try:
        return kind(**json.loads(path.read_text()))
    except (TypeError, ValueError) as error:
        raise ResultsError(f"{path}: {error}") from error


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A finished run on disk."""

    path: Path

    @property
    def manifest(self) -> Manifest:
        return read_json(self.path / MANIFEST, Manifest)

    @property
    def summary(self) -> RunRow:
        return read_json(self.path / SUMMARY, RunRow)

    @property
    def frames(self) -> list[FrameRow]:
        return read(self.path / FRAMES, FrameRow)

    @property
    def sessions(self) -> list[SessionRow]:
        return read(self.path / SESSIONS, SessionRow)

    @property
    def plans(self) -> list[PlanRow]:
        return read(self.path / PLANS, PlanRow)

    @property
    def hints(self) -> list[HintRow]:
        return read(self.path / HINTS, HintRow)

    @property
    def link(self) -> list[LinkRow]:
        return read(self.path / LINK, LinkRow)


def finished(folder: Path) -> Iterator[RunFolder]:
    """The finished runs of a results folder, by name."""
    for path in sorted((folder / RUNS).glob("*")):
        if (path / MANIFEST).is_file():
            yield RunFolder(path)
