"""A device, and the plan, as the operator sees them: plain data."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from edge.batching.device_usage import DeviceUsage
from edge.scheduling.assignment import Assignment
from edge.scheduling.plan import Plan
from edge.workers.pool import WorkerStatus

SAMPLES = 6  # that rates are computed over: five seconds


@dataclass(frozen=True, slots=True)
class PlanSlotView:
    """A variant on a device: its planned batch size, and the names of the sessions it serves."""

    variant: str
    input: str
    batch: int
    sessions: list[str]


@dataclass(frozen=True, slots=True)
class UsageRates:
    """A device's work over the last seconds."""

    utilisation: float = 0.0
    """Part of the time that a batch was in the device, 0 to 1."""
    frames_per_s: float = 0.0
    batches_per_s: float = 0.0
    mean_batch: float | None = None
    """Frames in a batch."""


class DeviceRates:
    """Rates from samples of the devices' counters, which only grow."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, list[tuple[float, int, int]]]] = deque(maxlen=SAMPLES)

    def sample(
        self, statuses: Sequence[WorkerStatus], usages: Sequence[DeviceUsage], now_ms: float
    ) -> list[tuple[WorkerStatus, UsageRates]]:
        """Each device's rates since the oldest sample; zeros until there are two."""
        counters = [(each.busy_until(now_ms), each.frames, each.batches) for each in usages]
        if self._samples and len(self._samples[0][1]) < len(counters):
            self._samples.clear()  # from before the devices had started
        self._samples.append((now_ms, counters))
        began_ms, before = self._samples[0]
        if now_ms <= began_ms or not counters:
            return [(status, UsageRates()) for status in statuses]
        return [
            (status, _rates(first, last, now_ms - began_ms))
            for status, first, last in zip(statuses, before, counters, strict=True)
        ]


def _rates(
    first: tuple[float, int, int], last: tuple[float, int, int], passed_ms: float
) -> UsageRates:
    busy_ms, frames, batches = (after - before for before, after in zip(first, last, strict=True))
    return UsageRates(
        utilisation=round(min(1.0, busy_ms / passed_ms), 4),
        frames_per_s=round(1000.0 * frames / passed_ms, 2),
        batches_per_s=round(1000.0 * batches / passed_ms, 2),
        mean_batch=round(frames / batches, 2) if batches else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceView:
    """Rates are of the last seconds, counts since the start."""

    number: int
    name: str
    description: str
    simulated: bool
    state: str
    utilisation: float
    """Part of the time that a batch was in the device, 0 to 1."""
    frames_per_s: float
    batches_per_s: float
    mean_batch: float | None
    """Frames in a batch."""
    in_flight: int
    """Batches that are in the device now."""
    memory_bytes: int | None
    memory_total_bytes: int | None
    batches: int
    failures: int
    restarts: int
    models: dict[str, str]
    """The state of each model that is loaded on demand."""
    plan: list[PlanSlotView]

    @classmethod
    def of(
        cls, number: int, status: WorkerStatus, rates: UsageRates, plan: list[PlanSlotView]
    ) -> DeviceView:
        simulated = status.device.startswith("sim:")
        used, total = status.memory or (None, None)
        return cls(
            number=number,
            name="sim" if simulated else status.device,
            description=status.description,
            simulated=simulated,
            state=status.state,
            **asdict(rates),
            in_flight=status.in_flight,
            memory_bytes=used,
            memory_total_bytes=total,
            batches=status.batches,
            failures=status.failures,
            restarts=status.restarts,
            models=dict(status.models),
            plan=plan,
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanView:
    """The plan in force, with a summary in words."""

    words: str
    algorithm: str
    rule: str
    served: int
    unserved: list[str]
    accuracy: float
    solve_ms: float
    devices: list[list[PlanSlotView]]
    """Of the devices that were ready when it was made, in their order."""

    @classmethod
    def of(cls, plan: Plan, assignments: Mapping[str, Assignment], solve_ms: float) -> PlanView:
        problem = plan.problem
        names = [client.id[:6] for client in problem.clients]
        devices = []
        for slots in plan.gpus:
            views = []
            for slot in slots:
                variant, _, size = problem.variants[slot.variant].name.rpartition(":")
                clients = [names[client] for client in slot.clients]
                views.append(PlanSlotView(variant, size, slot.batch, clients))
            devices.append(views)
        served = {name for views in devices for view in views for name in view.sessions}
        unserved = [name for name in names if name not in served]
        return cls(
            words=_summary(len(names), len(served), devices, assignments),
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


def _summary(
    sessions: int,
    served: int,
    devices: Sequence[Sequence[PlanSlotView]],
    assignments: Mapping[str, Assignment],
) -> str:
    if not sessions:
        return "No session, nothing to plan."
    tried = sum(1 for each in assignments.values() if each.variant is not None) - served
    unserved = sum(1 for each in assignments.values() if each.variant is None)
    busy = sum(1 for views in devices if views)
    words = f"{_count(served, 'session')} promised service on {_count(busy, 'device')}"
    if len(devices) > busy:
        words += f", {_count(len(devices) - busy, 'device')} idle"
    if tried > 0:
        words += f"; {_count(tried, 'session')} tried without a promise"
    if unserved > 0:
        words += f"; {_count(unserved, 'session')} not served"
    return f"{words}."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
