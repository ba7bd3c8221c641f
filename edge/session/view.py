"""A session as its operator sees it: plain data, so that it can come from another process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edge.adaptation.hint_controller import Hint
from edge.adaptation.latency_budget import LEGS
from edge.scheduling.assignment import NO_PINS, Pins

if TYPE_CHECKING:
    from edge.session.session import Session


@dataclass(frozen=True, slots=True)
class LatencyQuantiles:
    """Of the last ten seconds, in ms."""

    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionView:
    """Made once a second for each session; None where nothing was measured yet.

    `name` is the operator's handle: a session's id, which is its publisher's secret, stays inside.
    """

    name: str
    label: str
    state: str
    age_s: float
    slo_ms: float
    device: int | None = None
    """Number of the device that answered its latest frame."""
    variant: str | None = None
    """That its latest frame was answered with."""
    planned: str | None = None
    """The variant of the plan in force; None: it is not served."""
    reason: str = ""
    """Why the plan gives it that."""
    pins: Pins = NO_PINS
    size: tuple[int, int] | None = None
    """Of its latest picture, width and height in pixels."""
    fps: float = 0.0
    """Frames a second that come."""
    bps: float = 0.0
    """Bits a second that come."""
    link_bps: float | None = None
    """What its link could carry."""
    queue_ms: float = 0.0
    """That its packets wait on the way, over the least they do."""
    loss: float = 0.0
    """Part of its packets, 0 to 1."""
    rtt_ms: float | None = None
    latency: LatencyQuantiles | None = None
    """From capture to the answer in the publisher's hands, of the frames that were answered."""
    legs: dict[str, LatencyQuantiles] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)
    """Frames since the start by what became of them: in_time, answered_late, or why dropped."""
    infeasible: int = 0
    """Of those that missed, the ones whose network time alone had eaten the objective."""
    hint: Hint | None = None
    packets: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, session: Session, now_ms: float) -> SessionView:
        """A session at this moment."""
        ledger, rate, assignment = session.ledger, session.peer.rate, session.assignment
        legs: dict[str, LatencyQuantiles] = {}
        for leg in LEGS:
            p50_ms = ledger.budget.quantile(leg, 0.5, now_ms)
            p99_ms = ledger.budget.quantile(leg, 0.99)
            if p50_ms is not None and p99_ms is not None:
                legs[leg] = LatencyQuantiles(p50_ms, p99_ms)
        p50_ms, p99_ms = (ledger.whole_ms(q, now_ms) for q in (0.5, 0.99))
        return cls(
            name=session.name,
            label=session.label,
            state=session.state,
            age_s=(now_ms - session.opened_ms) / 1000.0,
            slo_ms=session.slo_ms,
            device=ledger.device,
            variant=ledger.variant,
            planned=None if assignment is None else assignment.variant,
            reason="" if assignment is None else assignment.reason,
            pins=session.pins,
            size=session.size,
            fps=ledger.fps(now_ms),
            bps=rate.throughput_bps(now_ms),
            link_bps=rate.capacity_bps,
            queue_ms=rate.queue_ms,
            loss=rate.loss,
            rtt_ms=session.peer.clock.rtt_ms,
            latency=None if p50_ms is None or p99_ms is None else LatencyQuantiles(p50_ms, p99_ms),
            legs=legs,
            outcomes=ledger.by_end(),
            infeasible=ledger.infeasible,
            hint=session.hint,
            packets=_flat(session.peer.counts),
        )

    def to_json(self) -> dict[str, Any]:
        """As the API tells it. Once a second for each session, so not by `asdict`, which copies."""
        value = _flat(self)
        value["pins"] = _flat(self.pins)
        value["hint"] = None if self.hint is None else _flat(self.hint)
        value["latency"] = None if self.latency is None else _flat(self.latency)
        value["legs"] = {leg: _flat(quantiles) for leg, quantiles in self.legs.items()}
        return value


def _flat(value: Any) -> dict[str, Any]:
    """A dataclass's fields by name, as they are."""
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def told(session: Session) -> dict[str, Any]:
    """What its publisher is told once a second: the fields of `stats`, counts since the start."""
    hint, size = session.hint, session.size
    network = {f"p{q}": session.budget.quantile("network", q / 100) for q in (50, 99)}
    return {
        "link_bps": session.peer.rate.capacity_bps,
        "network_ms": {name: value for name, value in network.items() if value is not None},
        "misses": {end: count for end, count in session.outcomes.items() if end != "answered"},
        "packets": _flat(session.peer.counts),
        "variant": hint.variant if hint else None,
        "edge": max(size) if size else None,
    }
