"""A device, and the plan, as their operator sees them: plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from edge.scheduling.assignment import Assignment
from edge.scheduling.plan import Plan


@dataclass(frozen=True, slots=True)
class SlotView:
    """A variant on a device: what its batches are planned to hold, and whom it serves by name."""

    variant: str
    input: str
    batch: int
    sessions: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceView:
    """Rates and shares are of the last seconds, counts since the start."""

    number: int
    name: str
    description: str
    simulated: bool
    state: str
    utilisation: float
    """Part of the time that a batch was there, 0 to 1."""
    frames_per_s: float
    batches_per_s: float
    mean_batch: float | None
    """Frames in a batch."""
    in_flight: int
    """Batches that are there now."""
    memory_bytes: int | None
    memory_total_bytes: int | None
    batches: int
    failures: int
    restarts: int
    plan: list[SlotView]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanView:
    """The plan in force, and in words."""

    words: str
    algorithm: str
    rule: str
    served: int
    unserved: list[str]
    accuracy: float
    solve_ms: float
    devices: list[list[SlotView]]
    """Of the devices that were ready, in their order."""

    @classmethod
    def of(
        cls, plan: Plan, assignments: dict[str, Assignment], network: str, solve_ms: float
    ) -> PlanView:
        problem = plan.problem
        names = [client.id[:6] for client in problem.clients]
        devices = []
        for slots in plan.gpus:
            views = []
            for slot in slots:
                long_side, _, size = problem.variants[slot.variant].name.partition(":")
                clients = [names[client] for client in slot.clients]
                views.append(SlotView(f"{network}-{long_side}", size, slot.batch, clients))
            devices.append(views)
        served = {name for views in devices for view in views for name in view.sessions}
        unserved = [name for name in names if name not in served]
        return cls(
            words=_words(len(names), len(served), devices, assignments),
            algorithm=plan.algorithm,
            rule=plan.rule,
            served=len(served),
            unserved=unserved,
            accuracy=plan.accuracy,
            solve_ms=solve_ms,
            devices=devices,
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def _words(
    sessions: int,
    served: int,
    devices: list[list[SlotView]],
    assignments: dict[str, Assignment],
) -> str:
    if not sessions:
        return "No session, nothing to plan."
    tried = sum(1 for each in assignments.values() if each.variant is not None) - served
    lost = sum(1 for each in assignments.values() if each.variant is None)
    busy = sum(1 for views in devices if views)
    said = f"{_count(served, 'session')} promised service on {_count(busy, 'device')}"
    if len(devices) > busy:
        said += f", {_count(len(devices) - busy, 'device')} idle"
    if tried > 0:
        said += f"; {_count(tried, 'session')} tried without a promise"
    if lost > 0:
        said += f"; {_count(lost, 'session')} not served"
    return f"{said}."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
