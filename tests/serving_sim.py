"""Sessions, a batcher and devices on a simulated clock, for closed-loop tests."""

import itertools
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from analysis.simulator.event_queue import EventQueue
from edge.batching.batcher import Batcher, Dispatch, Drop, FrameRequest
from edge.profile.latency import LatencyProfile


@dataclass
class SimulatedClient:
    """A camera whose frames become ready every 1000 / fps ms, `slack_ms` before their deadlines."""

    name: str
    fps: float
    slack_ms: float
    variants: tuple[str, ...]
    size: tuple[int, int] = (640, 360)
    jitter_ms: float = 0.0
    phase_ms: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    served: Counter[str] = field(default_factory=Counter)


class Simulation:
    """Runs clients against a batcher; `took_ms(dispatch, now_ms)` is a batch's actual latency."""

    def __init__(
        self,
        batcher: Batcher,
        profiles: list[LatencyProfile],
        clients: list[SimulatedClient],
        took_ms: Callable[[Dispatch, float], float] | None = None,
        seed: int = 0,
    ) -> None:
        self.batcher = batcher
        self.profiles = profiles
        self.clients = {c.name: c for c in clients}
        self.random = random.Random(seed)
        self.took_ms = took_ms or (
            lambda d, _: profiles[d.device].latency_ms(d.variant, d.input_size, len(d.requests))
        )
        self.dispatches: list[tuple[float, Dispatch]] = []
        self.waits_ms: list[float] = []
        self.events = EventQueue()
        self._decisions = 0
        self._rtps = itertools.count()
        for client in clients:
            self.events.at(client.phase_ms, partial(self._frame, client, client.phase_ms))

    @property
    def now_ms(self) -> float:
        return self.events.now_ms

    def run(self, until_ms: float) -> None:
        """Handles events up to a time; may be called again with a later one."""
        self.events.run(until_ms)

    def _decide(self) -> None:
        decision = self.batcher.next(self.now_ms)
        self._count(list(decision.drops))
        for dispatch in decision.dispatches:
            self.dispatches.append((self.now_ms, dispatch))
            for request in dispatch.requests:
                self.waits_ms.append(self.now_ms - request.ready_ms)
            took_ms = self.took_ms(dispatch, self.now_ms)
            self.events.after(took_ms, partial(self._done, dispatch, took_ms))
        self._decisions += 1
        if decision.wake_ms is not None:
            self.events.at(decision.wake_ms, partial(self._wake, self._decisions))

    def _wake(self, decisions: int) -> None:
        if decisions == self._decisions:  # no decision since the one that asked for this wake-up
            self._decide()

    def _frame(self, client: SimulatedClient, due_ms: float) -> None:
        deadline_ms = due_ms + client.slack_ms
        rtp = next(self._rtps)
        request = FrameRequest(
            client.name, rtp, client.size, self.now_ms, deadline_ms, client.variants
        )
        client.outcomes["captured"] += 1
        self._count(self.batcher.put(request, self.now_ms))
        due_ms += 1000.0 / client.fps
        late_ms = self.random.uniform(0.0, client.jitter_ms)
        self.events.at(due_ms + late_ms, partial(self._frame, client, due_ms))
        self._decide()

    def _done(self, dispatch: Dispatch, took_ms: float) -> None:
        self.batcher.done(dispatch.device, self.now_ms)
        self.profiles[dispatch.device].observe(
            dispatch.variant, dispatch.input_size, len(dispatch.requests), took_ms, self.now_ms
        )
        for request in dispatch.requests:
            client = self.clients[request.session]
            late = self.now_ms > request.deadline_ms
            client.outcomes["ended_late" if late else "in_time"] += 1
            client.served[dispatch.variant] += 1
        self._decide()

    def _count(self, drops: list[Drop]) -> None:
        for drop in drops:
            self.clients[drop.request.session].outcomes[drop.reason] += 1

    def total(self) -> Counter[str]:
        """All clients' outcomes together."""
        total: Counter[str] = Counter()
        for client in self.clients.values():
            total += client.outcomes
        return total

    def missed(self) -> int:
        """Frames without a result in time, except those still in flight."""
        total = self.total()
        reasons = ("ended_late", "superseded", "overload", "late", "no_plan")
        return sum(total[r] for r in reasons)
