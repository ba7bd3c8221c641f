"""Our policy: the server's planner, hints and batcher; and it with one half of it fixed."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from analysis.simulator.components.encoder import SendRequest
from analysis.simulator.components.frame import SimulatedFrame
from analysis.simulator.components.link import Crossing
from analysis.simulator.policies.base import Policy
from analysis.simulator.run import SimulatedClient, SimulationRun
from analysis.simulator.server import BatcherServer
from analysis.simulator.session import SimulatedSession
from edge.adaptation.hint_controller import START_BPS, HintController
from edge.scheduling.fairness import solve_fairly
from edge.scheduling.planner import PERIOD_MS, Planner, min_period_ms
from edge.scheduling.solvers import solve
from edge.session.session_adaptation import SessionAdaptation
from netem.experiment.fixed_size import fixed_long_side

TICK_MS = 100.0


class Planned(Policy):
    """The server's sessions, scheduling and dispatching. `networks` are those to plan with, and
    `long_sides` their input sizes; all of the experiment's by default."""

    obeys = True

    def __init__(
        self,
        run: SimulationRun,
        long_sides: Sequence[int] | None = None,
        networks: Sequence[str] | None = None,
    ) -> None:
        super().__init__(run)
        experiment = run.experiment
        self.served = {
            network: list(long_sides or self.long_sides)
            for network in networks or experiment.networks
        }
        self.planner = Planner(self.served, run.accuracy, max_batch=experiment.max_batch)
        self.server = BatcherServer(run, experiment.max_batch, self._answered)
        self.sessions: list[SimulatedSession] = []
        self._planned_ms = self._due_ms = -1.0

    def first_request(self, number: int) -> SendRequest:
        return SendRequest(self.long_sides[len(self.long_sides) // 3], self.run.cell.fps, START_BPS)

    def start(self) -> None:
        max_bps = self.run.experiment.max_bps
        for client in self.run.clients:
            controller = HintController(max_bps=max_bps)
            hints = SessionAdaptation(self.served, controller)
            self.sessions.append(
                SimulatedSession(self.run, client, hints, self._on_step, obeys=self.obeys)
            )
        self._plan()
        self._tick()

    def sent(
        self, client: SimulatedClient, frame: SimulatedFrame, crossing: Crossing, sent_ms: float
    ) -> None:
        self.sessions[client.number].sent(frame, crossing)

    def ready(self, client: SimulatedClient, frame: SimulatedFrame) -> None:
        session = self.sessions[client.number]
        session.decoded(frame, self.run.now_ms)
        deadline_ms = session.deadline_ms(frame)
        self.server.offer(client.name, frame, session.hints.variants, deadline_ms)

    def _answered(
        self, frame: SimulatedFrame, variant: str, dispatched_ms: float, back_ms: float
    ) -> None:
        self.sessions[frame.client].answered(frame, dispatched_ms, back_ms)

    def _plan(self) -> None:
        now_ms = self.run.now_ms
        by_name = {session.client.name: session for session in self.sessions}
        snapshots = [session.snapshot(now_ms) for session in self.sessions]
        draft = self.planner.draft(snapshots, self.server.profiles)
        solver = functools.partial(solve, rule=self.planner.rule)
        plan = solve_fairly(draft.problem, self.planner.accuracy_floor, solver)
        _, assignments = self.planner.adopt(draft, plan)
        for name, assignment in assignments.items():
            by_name[name].assign(assignment, now_ms)
        self._planned_ms = now_ms
        self._schedule_plan(PERIOD_MS)

    def _on_step(self) -> None:
        """A link stepped: the next plan is made as soon as the minimum period allows."""
        soonest_ms = max(self.run.now_ms, self._planned_ms + min_period_ms(len(self.sessions)))
        self._schedule_plan(soonest_ms - self.run.now_ms)

    def _schedule_plan(self, after_ms: float) -> None:
        """Schedules the next plan, unless one is due sooner."""
        due_ms = self.run.now_ms + after_ms
        if due_ms < self.run.end_ms and (due_ms < self._due_ms or self._due_ms <= self._planned_ms):
            self._due_ms = due_ms
            self.run.events.at(due_ms, lambda: self._plan_at(due_ms))

    def _plan_at(self, due_ms: float) -> None:
        if due_ms == self._due_ms:
            self._plan()

    def _tick(self) -> None:
        for session in self.sessions:
            session.tick(self.run.now_ms)
        due_ms = self.run.now_ms + TICK_MS
        if due_ms < self.run.end_ms:
            self.run.events.at(due_ms, self._tick)


class Ours(Planned):
    """Everything adapts, for all clients together."""


class DataOnly(Planned):
    """Sent sizes and bitrates adapt; the network's input is fixed (`fixed_long_side`)."""

    def __init__(self, run: SimulationRun) -> None:
        super().__init__(run, [_fixed_long_side(run)], [run.experiment.network])


class DnnOnly(Planned):
    """The network's input adapts; each client sends the largest size at a sufficient bitrate."""

    obeys = False

    def __init__(self, run: SimulationRun) -> None:
        super().__init__(run, networks=[run.experiment.network])

    def first_request(self, number: int) -> SendRequest:
        long_side = self.long_sides[-1]
        return SendRequest(long_side, self.run.cell.fps, self.video_bps(long_side))


class FirstNetwork(Planned):
    """Everything adapts, but of a family the first network alone is served."""

    def __init__(self, run: SimulationRun) -> None:
        super().__init__(run, networks=run.experiment.networks[:1])


class LastNetwork(Planned):
    """Everything adapts, but of a family the last network alone is served."""

    def __init__(self, run: SimulationRun) -> None:
        super().__init__(run, networks=run.experiment.networks[-1:])


def _fixed_long_side(run: SimulationRun) -> int:
    cell, experiment = run.cell, run.experiment
    return fixed_long_side(
        experiment.network,
        experiment.edges,
        run.shape,
        run.profiles,
        frames_a_second=cell.clients * cell.fps,
        slo_ms=cell.slo_ms,
    )
