"""One session between the plan for all and its publisher: its snapshot, its hints, its variants."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from edge.adaptation.fixed_hints import FixedHint, FixedHints
from edge.adaptation.hint_controller import Hint, HintController
from edge.adaptation.latency_budget import LatencyBudget
from edge.adaptation.measurements import SessionMeasurements
from edge.profile.variant import Variant
from edge.rtc.bwe.bandwidth_estimator import BandwidthEstimator
from edge.scheduling.assignment import NO_PINS, Assignment, Snapshot

DECIDE_EVERY_MS = 100.0
PLANNED_QUANTILE = 0.5  # of each leg, for plans: the batcher handles the slower frames one by one


def measure(
    budget: LatencyBudget,
    estimator: BandwidthEstimator | None,
    now_ms: float,
    *,
    size: tuple[int, int] | None,
    slo_ms: float,
    fps: float,
    available_bps: float | None,
) -> SessionMeasurements:
    """A session's measurements now; without an `estimator` (the publisher controls its own rate),
    the link counts as one of infinite capacity."""
    spent_ms = sum(
        budget.quantile(leg, 0.95, now_ms) or 0.0
        for leg in ("decode", "queue", "inference", "back")
    )
    measured = SessionMeasurements(
        size=size,
        slo_ms=slo_ms,
        fps=fps,
        processing_budget_ms=budget.left_ms(slo_ms, PLANNED_QUANTILE, now_ms=now_ms),
        is_inference_measured=budget.quantile("inference", 0.5) is not None,
        network_budget_ms=slo_ms - spent_ms,
        capacity_bps=math.inf,
        available_bps=available_bps,
    )
    if estimator is None:
        return measured
    return replace(
        measured,
        capacity_bps=estimator.capacity_bps,
        queue_ms=estimator.queue_ms,
        loss=estimator.loss,
        network_ms=budget.quantile("network", 0.95, now_ms),
        network_low_ms=budget.quantile("network", 0.1, now_ms),
        frame_bits=estimator.frame_bits(now_ms),
    )


class SessionAdaptation:
    """One session's hints and the variants that its frames may be served with."""

    def __init__(
        self, network: str, long_sides: Sequence[int], max_bps: int, held: FixedHint | None = None
    ) -> None:
        self._network = network
        self._long_sides = sorted(long_sides)
        self._controller: HintController | FixedHints = (
            HintController(max_bps=max_bps) if held is None else FixedHints(held)
        )
        self.pins = NO_PINS  # once the plan has taken them in, they hold
        self._assignment: Assignment | None = None
        self.variants = self._down_from(self._long_sides[0])
        """Names that a frame may be served with, best first: from the planned one down.

        None for a session that the plan doesn't serve; the least before the first plan. An input
        larger than the picture is no waste: small things are recognised better when enlarged.
        """
        self._restate = self._is_new = False
        self._decided_ms = float("-inf")

    @property
    def current(self) -> Hint | None:
        return self._controller.current

    @property
    def assignment(self) -> Assignment | None:
        """The session's part of the plan in force; None before the first plan."""
        return self._assignment

    @property
    def variant_names(self) -> list[str]:
        return [Variant(self._network, long_side).name for long_side in self._long_sides]

    def snapshot(self, session: str, measured: SessionMeasurements) -> Snapshot:
        """What the planner has to know."""
        hint, budget_ms = self.current, measured.processing_budget_ms
        return Snapshot(
            id=session,
            slo_ms=measured.slo_ms,
            fps=measured.fps if hint is None else hint.fps,
            size=measured.size or (16, 9),
            left_ms=measured.slo_ms if budget_ms is None else budget_ms,
            tried=measured.is_inference_measured,
            bps=self._controller.least_bps,
            sent_long_side=0 if hint is None else hint.max_edge,
            pins=self.pins,
        )

    def assign(self, assignment: Assignment) -> None:
        """Takes the session's part of a plan into force."""
        self._is_new = self._is_new or assignment != self._assignment
        self._assignment = assignment
        top = 0 if assignment.variant is None else Variant.parse(assignment.variant).long_side
        pinned = self.pins.variant if assignment.variant is not None else None
        self.variants = self._down_from(top) if pinned is None else (pinned,)

    def _down_from(self, top: int) -> tuple[str, ...]:
        long_sides = (long_side for long_side in reversed(self._long_sides) if long_side <= top)
        return tuple(Variant(self._network, long_side).name for long_side in long_sides)

    def restate(self) -> None:
        """The publisher may not have heard the hint in force: say it again."""
        self._restate = True

    def decide(
        self, measured: SessionMeasurements, now_ms: float, *, urgent: bool = False
    ) -> Hint | None:
        """The hint to tell now, if any; an urgent question is answered however soon it comes."""
        if self._assignment is None:
            return None
        due = urgent or self._is_new or now_ms - self._decided_ms >= DECIDE_EVERY_MS
        if not self._restate and not due:
            return None
        self._decided_ms, self._is_new = now_ms, False
        changed = self._controller.decide(measured, self._assignment, now_ms)
        if changed is None and not self._restate:
            return None
        self._restate = False
        return self.current
