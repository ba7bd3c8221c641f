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
    """A captured frame; each has one row."""

    client: int
    """Its number in the run, from 0."""
    session: str
    source: int
    """The frame of the source video, counted from 0 in the file's own frames."""
    rtp: int | None
    captured_ms: float
    sent_ms: float | None
    """When it had left the encoder (Chromium), or its last packet the pacer (light publisher)."""
    received_ms: float | None
    """Arrival of its last packet; this and the times to `inferred_ms` are the server's."""
    decoded_ms: float | None
    dispatched_ms: float | None
    inferred_ms: float | None
    returned_ms: float | None
    """When the client had the answer, and had drawn it."""
    width: int | None
    """Of the sent picture."""
    height: int | None
    bytes: int | None
    key: bool | None
    variant: str
    batch: int | None
    outcome: str
    infeasible: bool
    """The network alone took longer than the objective."""
    measured: bool
    """Captured within the run's measured seconds; summaries count only these."""
    truth: int
    """Boxes that the reference finds in the original source frame."""
    found: int | None
    """Boxes of the answer, 0 without an answer in time; empty on simulated devices."""
    matched: int | None
    """How many of those match a true one (same class, IoU of 0.5)."""
    f1_simulated: float
    """F1 predicted by `edge.profile.accuracy` at the sent size and bits; 0 if not in time."""


@dataclass(slots=True)
class PlanRow:
    """A session's part in a plan, and the measurements that the plan was made from."""

    at_ms: float
    plan: int
    """Plans are numbered from 1."""
    solve_ms: float
    client: int
    session: str
    slo_ms: float
    fps: float
    left_ms: float
    """What the objective leaves for queueing and inference."""
    bps: float
    """The link's estimated capacity for frames in time."""
    hinted_edge: int
    variant: str
    """Empty if not served."""
    edge: int
    """The largest useful long side."""
    useful_bps: float
    gain: float
    reason: str


@dataclass(slots=True)
class HintRow:
    """A hint, when the client received it."""

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
    """An uplink at one time: the rate in force, and counts since the link was made."""

    at_ms: float
    client: int
    rate_bps: float
    passed_bytes: int
    backlog_bytes: int
    dropped: int
    """Packets dropped by the full queue."""
    lost: int


@dataclass
class SessionDescription:
    """A client and its settings."""

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
    """The link's kind: `tun`, `tbf`, `tbf+netem`."""


@dataclass
class RunDescription:
    """A run's settings, and the machine's load."""

    run: str
    """The name of its folder."""
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
    """Whether the devices are simulated; the run's F1 is then `f1_simulated`."""
    repetition: int
    seconds: float
    plans: int
    cpu_busy: float
    """Share of the machine's processor time in use, by all programs; near 1, late answers may be
    due to the machine rather than the policy."""
    server_cores: float
    """Cores used by the server's own process, without its workers."""


@dataclass
class OutcomeCounts:
    """Outcomes of the measured frames, of a client or of a run.

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
    """Share of frames not in time, of those neither infeasible nor `paced`."""
    infeasible_share: float
    """Of captured."""
    in_time_share: float
    """Of all captured frames."""
    sender_share: float
    """Of captured: misses caused by the client itself: `encoder`, or late after the frame took over
    half of the objective to leave the encoder. If large, its machine is too busy."""
    f1: float | None
    """At IoU 0.5 over all captured frames, where a frame not in time detects nothing; real devices
    only."""
    f1_simulated: float
    """Mean of the frames' `f1_simulated` over all captured frames."""
    p50_ms: float | None
    """From capture to the received answer, of answered frames."""
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
    """Encoded video, mean of the clients."""
    link_mbps: float
    """Capacity of the uplinks, mean of the clients."""
    size_changes: int
    variant_changes: int


@dataclass
class SessionRow(OutcomeCounts, SessionDescription):
    """A client, and the outcomes of its measured frames."""


@dataclass
class RunRow(OutcomeCounts, RunDescription):
    """A run, and the outcomes of its clients' measured frames."""


@dataclass(slots=True)
class Manifest:
    """How a run was made. Written last: a run with a manifest is complete."""

    run: str
    key: str
    """A hash of all settings; a run with another key is repeated."""
    command: str
    commit: str
    """With `+` if the working tree had changes."""
    machine: str
    versions: dict[str, str]
    seeds: dict[str, int]
    origin_ms: float
    began: str
    """ISO 8601, UTC."""
    took_s: float
    asked: dict[str, Any]
    """The run's cell and all its settings."""
    notes: list[str] = field(default_factory=list)
