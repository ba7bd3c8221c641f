"""The tables of an experiment's results: a dataclass each, its fields the CSV's columns in order.

Times (`..._ms` that are no durations) count from the run's beginning, which is time 0 of the links'
traces as well: `Manifest.origin_ms` on the machine's monotonic clock, in milliseconds. Rows from
before, while clients connected, have negative times and `measured` false. Empty: unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

IN_TIME, LATE, PACED, ENCODER, LOST = "in_time", "late", "paced", "encoder", "lost"
OUTCOMES = (
    IN_TIME, LATE, "superseded", "overload", "hopeless", LOST, "no_plan", "failed", "too_large",
    PACED, ENCODER, "stopped",
)  # fmt: skip
"""A frame's outcomes, as in docs/embed/protocol.md, except that the server's `late` is `hopeless`
here, apart from an answer that came late. `lost` has neither an answer nor a reason."""


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
class OutcomeCounts:
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
class SessionRow(OutcomeCounts, SessionDescription):
    """A client, and what became of its measured frames."""


@dataclass
class RunRow(OutcomeCounts, RunDescription):
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
