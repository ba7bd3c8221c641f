"""A session on the simulated clock, with the measurements and decisions of `edge.session`."""

from __future__ import annotations

from collections import deque
from functools import partial

from analysis.simulator.components.encoder import SendRequest
from analysis.simulator.components.frame import SimulatedFrame
from analysis.simulator.components.link import Crossing
from analysis.simulator.event_queue import Action
from analysis.simulator.run import SimulatedClient, SimulationRun
from edge.adaptation.latency_budget import LatencyBudget, infeasible
from edge.adaptation.measurements import SessionMeasurements
from edge.base.sliding_windows import QuantileWindow
from edge.rtc.bwe.bandwidth_estimator import BandwidthEstimator
from edge.scheduling.assignment import Assignment, SessionSnapshot
from edge.session.session_adaptation import SessionAdaptation, measure

BACK_MS = 2.0  # the delay to the client until it has been measured
REPORT_EVERY_MS = 500.0
SLOW_MS = 40.0  # from capture to its last packet: a slow frame
POLL_MS = 10.0  # the estimator's interval while a slow frame is in flight


class SimulatedSession:
    """One client's budget, link estimate and hints, fed as its frames arrive and are answered.

    If `obeys` is false its hints are decided but not sent.
    """

    def __init__(
        self,
        run: SimulationRun,
        client: SimulatedClient,
        hints: SessionAdaptation,
        on_step: Action,
        *,
        obeys: bool,
    ) -> None:
        self.client = client
        self.budget = LatencyBudget()
        self.rate = BandwidthEstimator()
        self.rate.remb.max_cap_bps = float(run.experiment.max_bps)
        self.hints = hints
        self._run = run
        self._obeys = obeys
        self._on_step = on_step
        self._slo_ms, self._fps = run.cell.slo_ms, run.cell.fps
        self._in_flight: deque[tuple[SimulatedFrame, Crossing]] = deque()
        self._next_packet = 0  # in the first of these
        self._packets = self._missed = 0
        self._back = QuantileWindow(64, 5_000.0)
        self._reported_ms = 0.0
        self._poll_ms = 0.0  # when the next poll is due
        self._size: tuple[int, int] | None = None

    # Events

    def sent(self, frame: SimulatedFrame, crossing: Crossing) -> None:
        """A frame is in flight; the estimator gets its packets as they arrive."""
        self._in_flight.append((frame, crossing))
        now_ms = self._run.now_ms
        if crossing.received_ms > now_ms + SLOW_MS and self._poll_ms <= now_ms:
            self._poll_at(now_ms + SLOW_MS)

    def decoded(self, frame: SimulatedFrame, now_ms: float) -> None:
        """A frame was decoded."""
        self._receive(now_ms)
        self._size = self._run.sent_size(frame.long_side)
        if not infeasible(self._slo_ms, frame.network_ms):
            self.budget.observe("network", frame.network_ms, now_ms)
        self.budget.observe("decode", now_ms - frame.received_ms, now_ms)

    def answered(self, frame: SimulatedFrame, dispatched_ms: float, back_ms: float) -> None:
        """A frame's results have left the server."""
        now_ms = self._run.now_ms
        self.budget.observe("queue", dispatched_ms - frame.ready_ms, now_ms)
        self.budget.observe("inference", now_ms - dispatched_ms, now_ms)
        self._back.add(back_ms, now_ms)

    def tick(self, now_ms: float) -> None:
        """Ten times a second: the page's report, and a new hint if the last one no longer fits."""
        self._receive(now_ms)
        if now_ms - self._reported_ms >= REPORT_EVERY_MS:
            self._reported_ms = now_ms
            back_ms = self._back.quantile(0.5)
            if back_ms is not None:
                self.budget.observe("back", back_ms, now_ms)
        self._hint(now_ms)

    def assign(self, assignment: Assignment, now_ms: float) -> None:
        """Takes the session's part of a plan."""
        self.hints.assign(assignment)
        self._hint(now_ms)

    def _hint(self, now_ms: float, *, urgent: bool = False) -> None:
        hint = self.hints.decide(self._measured(now_ms), now_ms, urgent=urgent)
        if hint is None or not self._obeys:
            return
        request = SendRequest(hint.max_edge, hint.fps, float(hint.max_bps))
        encoder = self.client.encoder
        obeyed_ms = now_ms + self.client.draw_back_ms() + encoder.frame_ms
        encoder.ask(request, obeyed_ms)
        applied_ms = obeyed_ms + self.client.back_ms
        self._run.events.at(applied_ms, lambda: self.rate.set_cap(request.bps, self._run.now_ms))

    def _poll_at(self, due_ms: float) -> None:
        self._poll_ms = due_ms
        self._run.events.at(due_ms, partial(self._poll, due_ms))

    def _poll(self, due_ms: float) -> None:
        """While a slow frame is in flight: its packets, or their absence, may show a step."""
        if due_ms != self._poll_ms:
            return
        self._receive(due_ms)
        if self._in_flight:
            slow_ms = self._in_flight[0][0].captured_ms + SLOW_MS
            self._poll_at(max(due_ms + POLL_MS, slow_ms))

    def _receive(self, now_ms: float) -> None:
        """Gives the estimator all packets that have arrived by now."""
        in_flight, rate = self._in_flight, self.rate
        stepped = False
        while in_flight:
            frame, crossing = in_flight[0]
            packets = crossing.packets
            rtp = round(frame.number * 90_000 / self._fps) & 0xFFFFFFFF
            while self._next_packet < len(packets) and packets[self._next_packet][1] <= now_ms:
                size, arrival_ms = packets[self._next_packet]
                self._next_packet += 1
                rate.observe(rtp, size, self._next_packet == len(packets), arrival_ms)
                stepped |= rate.detect_step(arrival_ms)
            if self._next_packet < len(packets):
                break
            self._packets += len(packets)
            self._missed += crossing.lost
            rate.observe_counts(self._packets, self._missed, now_ms)
            in_flight.popleft()
            self._next_packet = 0
        rate.tick(now_ms)
        if stepped or rate.detect_step(now_ms):
            self._hint(now_ms, urgent=True)
            self._on_step()

    # State

    def deadline_ms(self, frame: SimulatedFrame) -> float:
        """When a frame's result must have left the server."""
        measured = self.budget.quantile("back", 0.9)
        back_ms = BACK_MS if measured is None else min(measured, self._slo_ms / 2)
        return frame.captured_ms + self._slo_ms - back_ms

    def snapshot(self, now_ms: float) -> SessionSnapshot:
        """The session as the planner sees it."""
        self._receive(now_ms)
        return self.hints.snapshot(self.client.name, self._measured(now_ms))

    def _measured(self, now_ms: float) -> SessionMeasurements:
        return measure(
            self.budget,
            self.rate,
            now_ms,
            size=self._size or self._run.shape,
            slo_ms=self._slo_ms,
            fps=self._fps,
            available_bps=None,
        )
