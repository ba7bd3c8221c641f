"""What a node tells directors of its sessions when they ask: beats stay small by it. Pure.

A report is bounded in rows and bytes; sessions that miss most come first, so that a cut one still
has those that somebody must look at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.base.node_name import NODE_NAME_PATTERN

MAX_ROWS = 1_000
MAX_REPORT_BYTES = 1 << 20

# Of a session as the admin API has it.
_AS_THERE = ("name", "label", "state", "age_s", "slo_ms", "size", "fps", "link_bps", "rtt_ms")

SessionLevel = Literal["good", "fair", "poor", "idle"]
STARTING_S = 5.0  # a session without frames is not wrong for so long

Count = Annotated[int, Field(ge=0)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class ReportError(ValueError):
    """Bytes that are no report; the message says why."""


@dataclass(frozen=True, slots=True)
class MissLimits:
    """Shares of missed frames above which a session, or a node, is amber and red: the settings
    `amber_misses` and `red_misses`."""

    amber: float
    red: float


class SessionRow(BaseModel):
    """One session. None: nothing has been measured yet."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    label: str = ""
    state: str = ""
    age_s: Number = 0.0
    slo_ms: Number
    p50_ms: Number | None = None
    p99_ms: Number | None = None
    in_time: Count = 0
    """Frames of the last ten seconds, as `missed`."""
    missed: Count = 0
    size: tuple[int, int] | None = None
    fps: Number = 0.0
    link_bps: Number | None = None
    rtt_ms: Number | None = None
    loss: Number = 0.0
    variant: str | None = None
    """That answered its latest frame; before one did, that of the plan."""
    pinned_variant: str | None = None
    pinned_edge: int | None = None

    @property
    def missed_share(self) -> float | None:
        """Of the last ten seconds' frames; None: there were none."""
        frames = self.in_time + self.missed
        return self.missed / frames if frames else None

    def level(self, limits: MissLimits) -> SessionLevel:
        """As a server's admin page rates a session."""
        if self.state == "connecting":
            return "idle"
        share = self.missed_share
        if share is None:
            return "idle" if self.age_s < STARTING_S else "poor"
        return "poor" if share > limits.red else "fair" if share > limits.amber else "good"

    @property
    def urgency(self) -> tuple[float, str]:
        """Sorts those that miss most first, and one without frames before those that are well."""
        share = self.missed_share
        return (-(0.5 if share is None else share), self.name)

    @classmethod
    def of(cls, session: Mapping[str, Any], missed: int) -> SessionRow:
        """Of a session as the admin API has it; `missed`: of its recent frames."""
        latency = session["latency"] or {}
        pins = session["pins"]
        return cls(
            **{name: session[name] for name in _AS_THERE},
            loss=session["loss"],
            p50_ms=latency.get("p50_ms"),
            p99_ms=latency.get("p99_ms"),
            in_time=session["recent"].get("in_time", 0),
            missed=missed,
            variant=session["variant"] or session["planned"],
            pinned_variant=pins["variant"],
            pinned_edge=pins["edge"],
        )


class Report(BaseModel):
    """Of one node. Fields that are not known are ignored: a later version may say more."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    node: Annotated[str, Field(pattern=NODE_NAME_PATTERN)]
    incarnation: str
    total: Count
    """Its sessions; `sessions` has at most `MAX_ROWS` of them."""
    in_time: Count
    """Frames of the last minute, as `missed`: of all its sessions, also of those that ended."""
    missed: Count
    in_time_since_start: Count
    missed_since_start: Count
    variants: list[str] = []
    """That a session can be pinned to."""
    sessions: Annotated[list[SessionRow], Field(max_length=MAX_ROWS)]

    @classmethod
    def read(cls, data: bytes) -> Report:
        """The report that `data` is; ReportError if it is none."""
        if len(data) > MAX_REPORT_BYTES:
            raise ReportError(f"more than {MAX_REPORT_BYTES} bytes")
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"])) or "the message"
            raise ReportError(f"{place}: {first['msg']}") from None
