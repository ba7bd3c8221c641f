"""A session as the server keeps it, on the simulated clock: what `edge.session.session`
measures."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from analysis.simulator.encoder import SendRequest
from analysis.simulator.event_queue import Action
from analysis.simulator.frame import SimulatedFrame
from analysis.simulator.link import Crossing
from edge.adaptation.latency_budget import LatencyBudget, infeasible
from edge.adaptation.measurements import SessionMeasurements
from edge.rtc.bwe.bandwidth_estimator import BandwidthEstimator
from edge.scheduling.assignment import Assignment, SessionSnapshot
from edge.session.session_adaptation import SessionAdaptation, measure
from edge.sliding_windows import QuantileWindow

if TYPE_CHECKING:
    from analysis.simulator.run import SimulatedClient, SimulationRun

BACK_MS = 2.0  # the way back until it has been measured
REPORT_EVERY_MS = 500.0
LONG_MS = 40.0  # from capture to its last packet: a frame that is slow
LOOK_MS = 10.0  # while a frame is on its way for long, how often the receiver looks


class SimSession:
    """One client's budget, link estimate and hints, fed as frames come and go.

    With `obeys` false its hints are made but not sent.
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
        self._coming: deque[tuple[SimulatedFrame, Crossing]] = deque()
        self._place = 0  # of the next packet in the first of these
        self._packets = self._missed = 0
        self._back = QuantileWindow(64, 5_000.0)
        self._reported_ms = 0.0
        self._looking_ms = 0.0  # a look is set for then
        self._size: tuple[int, int] | None = None

    # What happens

    def sent(self, frame: SimulatedFrame, crossing: Crossing) -> None:
        """A frame is on its way; its packets count as they come."""
        self._coming.append((frame, crossing))
        now_ms = self._run.now_ms
        if crossing.received_ms > now_ms + LONG_MS and self._looking_ms <= now_ms:
            self._look_at(now_ms + LONG_MS)

    def came(self, frame: SimulatedFrame, now_ms: float) -> None:
        """A frame was decoded."""
        self._hear(now_ms)
        self._size = self._run.sent_size(frame.long_side)
        if not infeasible(self._slo_ms, frame.network_ms):
            self.budget.observe("network", frame.network_ms, now_ms)
        self.budget.observe("decode", now_ms - frame.received_ms, now_ms)

    def answered(self, frame: SimulatedFrame, dispatched_ms: float, back_ms: float) -> None:
        """Its results are on their way."""
        now_ms = self._run.now_ms
        self.budget.observe("queue", dispatched_ms - frame.ready_ms, now_ms)
        self.budget.observe("inference", now_ms - dispatched_ms, now_ms)
        self._back.add(back_ms, now_ms)

    def tick(self, now_ms: float) -> None:
        """Ten times a second: the page's report, and whether the hint still fits."""
        self._hear(now_ms)
        if now_ms - self._reported_ms >= REPORT_EVERY_MS:
            self._reported_ms = now_ms
            back_ms = self._back.quantile(0.5)
            if back_ms is not None:
                self.budget.observe("back", back_ms, now_ms)
        self._hint(now_ms)

    def assign(self, assignment: Assignment, now_ms: float) -> None:
        """Its part of a plan."""
        self.hints.assign(assignment)
        self._hint(now_ms)

    def _hint(self, now_ms: float, *, urgent: bool = False) -> None:
        hint = self.hints.decide(self._measured(now_ms), now_ms, urgent=urgent)
        if hint is None or not self._obeys:
            return
        request = SendRequest(hint.max_edge, hint.fps, float(hint.max_bps))
        encoder = self.client.encoder
        obeyed_ms = now_ms + self.client.way_back_ms() + encoder.frame_ms
        encoder.ask(request, obeyed_ms)
        applied_ms = obeyed_ms + self.client.back_ms
        self._run.engine.at(applied_ms, lambda: self.rate.set_cap(request.bps, self._run.now_ms))

    def _look_at(self, due_ms: float) -> None:
        self._looking_ms = due_ms
        self._run.engine.at(due_ms, partial(self._look, due_ms))

    def _look(self, due_ms: float) -> None:
        """A frame is on its way for long: what has come of it, or that nothing came, may tell."""
        if due_ms != self._looking_ms:
            return
        self._hear(due_ms)
        if self._coming:
            slow_ms = self._coming[0][0].captured_ms + LONG_MS
            self._look_at(max(due_ms + LOOK_MS, slow_ms))

    def _hear(self, now_ms: float) -> None:
        """Gives the estimator all packets that have come by now."""
        coming, rate = self._coming, self.rate
        stepped = False
        while coming:
            frame, crossing = coming[0]
            packets = crossing.packets
            rtp = round(frame.number * 90_000 / self._fps) & 0xFFFFFFFF
            while self._place < len(packets) and packets[self._place][1] <= now_ms:
                size, arrival_ms = packets[self._place]
                self._place += 1
                rate.observe(rtp, size, self._place == len(packets), arrival_ms)
                stepped |= rate.detect_step(arrival_ms)
            if self._place < len(packets):
                break
            self._packets += len(packets)
            self._missed += crossing.lost
            rate.observe_counts(self._packets, self._missed, now_ms)
            coming.popleft()
            self._place = 0
        rate.tick(now_ms)
        if stepped or rate.detect_step(now_ms):
            self._hint(now_ms, urgent=True)
            self._on_step()

    # What is known

    def deadline_ms(self, frame: SimulatedFrame) -> float:
        """When a frame's result must have left the server."""
        measured = self.budget.quantile("back", 0.9)
        back_ms = BACK_MS if measured is None else min(measured, self._slo_ms / 2)
        return frame.captured_ms + self._slo_ms - back_ms

    def snapshot(self, now_ms: float) -> SessionSnapshot:
        """What plans are made of."""
        self._hear(now_ms)
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
