"""A session as its operator sees it: plain data, so that it can come from another process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from edge.adaptation.hint_controller import Hint
from edge.scheduling.assignment import NO_PINS, Assignment, Pins
from edge.tracking.scene import SceneView


@dataclass(frozen=True, slots=True)
class LatencyQuantiles:
    """Of the last ten seconds, in ms."""

    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionView:
    """Made once a second for each session; None where nothing has been measured yet.

    `name` identifies the session to the operator: its id is its publisher's secret.
    """

    name: str
    label: str
    state: str
    age_s: float
    slo_ms: float
    models: tuple[str, ...] = ()
    """Names of the models that may serve it."""
    device: int | None = None
    """Number of the device that answered its latest frame."""
    variant: str | None = None
    """Variant that answered its latest frame."""
    planned: str | None = None
    """Variant of the plan in force; None: the plan does not serve it."""
    reason: str = ""
    """The plan's reason for that."""
    f1: float | None = None
    """Accuracy that the plan expects of its frames; None: nothing is promised."""
    f1_alone: float | None = None
    """The same if it had a device to itself."""
    pins: Pins = NO_PINS
    size: tuple[int, int] | None = None
    """Width and height of its latest picture, in pixels."""
    fps: float = 0.0
    """Frames a second received."""
    bps: float = 0.0
    """Bits a second received."""
    link_bps: float | None = None
    """Estimated capacity of its link."""
    queue_ms: float = 0.0
    """Queueing delay of its packets on the link."""
    loss: float = 0.0
    """Share of its packets that are lost, 0 to 1."""
    rtt_ms: float | None = None
    latency: LatencyQuantiles | None = None
    """From capture to the answer in the publisher's hands, of answered frames."""
    legs: dict[str, LatencyQuantiles] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)
    """Frames since the start: in_time, answered_late, or the reason of a drop."""
    infeasible: int = 0
    """Missed frames whose network time alone exceeded the objective."""
    hint: Hint | None = None
    scene: SceneView | None = None
    """Its tracks; None: they are not followed."""
    packets: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As the admin API sends it. Made every second for each session: `asdict` is slower."""
        value = fields_of(self)
        value["pins"] = {"variant": self.pins.variant, "edge": self.pins.long_side}
        value["hint"] = None if self.hint is None else fields_of(self.hint)
        value["scene"] = None if self.scene is None else fields_of(self.scene)
        value["latency"] = None if self.latency is None else fields_of(self.latency)
        value["legs"] = {leg: fields_of(quantiles) for leg, quantiles in self.legs.items()}
        return value


def of_plan(assignment: Assignment | None) -> dict[str, Any]:
    """The fields that a session's part of the plan decides."""
    if assignment is None:
        return {}
    return {
        "planned": assignment.variant,
        "reason": assignment.reason,
        "f1": assignment.f1,
        "f1_alone": assignment.f1_alone,
    }


def fields_of(value: Any) -> dict[str, Any]:
    """A dataclass's fields by name, not copied."""
    return {name: getattr(value, name) for name in value.__dataclass_fields__}
