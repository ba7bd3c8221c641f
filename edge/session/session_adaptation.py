"""One session's adaptation: its measurements and its part of the plan become hints and variants."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from edge.adaptation.fixed_hint_controller import FixedHintController
from edge.adaptation.hint_controller import START_BPS, Hint, HintController
from edge.adaptation.latency_budget import LatencyBudget
from edge.adaptation.measurements import SessionMeasurements
from edge.config import Settings
from edge.models.registry.model import Model
from edge.profile.variant import Variant
from edge.rtc.bwe.bandwidth_estimator import BandwidthEstimator
from edge.scheduling.assignment import NO_PINS, Assignment, Pins, SessionSnapshot

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
    of_link: dict[str, Any] = {"capacity_bps": math.inf}
    if estimator is not None:
        of_link = {
            "capacity_bps": estimator.capacity_bps,
            "queue_ms": estimator.queue_ms,
            "loss": estimator.loss,
            "network_ms": budget.quantile("network", 0.95, now_ms),
            "network_low_ms": budget.quantile("network", 0.1, now_ms),
            "frame_bits": estimator.frame_bits(now_ms),
        }
    return SessionMeasurements(
        size=size,
        slo_ms=slo_ms,
        fps=fps,
        processing_budget_ms=budget.left_ms(slo_ms, PLANNED_QUANTILE, now_ms=now_ms),
        is_inference_measured=budget.quantile("inference", 0.5) is not None,
        network_budget_ms=slo_ms - spent_ms,
        available_bps=available_bps,
        **of_link,
    )


class SessionAdaptation:
    """One session's hints, and the variants that may serve its frames."""

    def __init__(
        self,
        networks: Mapping[str, Sequence[int]],
        controller: HintController | FixedHintController,
    ) -> None:
        """`networks`: the long sides of the inputs of each network that may serve the session."""
        self._long_sides = {network: sorted(sides) for network, sides in networks.items()}
        self._controller = controller
        self.pins = NO_PINS  # in force from the next plan on
        self._assignment: Assignment | None = None
        first, sides = next(iter(self._long_sides.items()))
        self.variants = self._variants_up_to(Variant(first, sides[0]))
        """Names of the variants that may serve a frame, best first: from the planned one down, of
        the planned network, or, where several may serve, those that the plan names.

        Empty for a session that the plan doesn't serve; the smallest before the first plan. An
        input larger than the picture is no waste: small objects are recognised better enlarged.
        """
        self._is_repeat_due = self._is_assignment_new = False
        self._decided_ms = float("-inf")

    @classmethod
    def of(
        cls,
        settings: Settings,
        models: Sequence[Model],
        pins: Pins = NO_PINS,
        start_bps: float | None = None,
    ) -> SessionAdaptation:
        """By the settings, which may fix the hints; `start_bps`: known of the link."""
        controller: HintController | FixedHintController
        if settings.sent_edge is not None and settings.sent_bps is not None:
            controller = FixedHintController(settings.sent_edge, settings.sent_bps)
        else:
            controller = HintController(start_bps=start_bps or START_BPS, max_bps=settings.max_bps)
        adaptation = cls({model.name: model.long_sides for model in models}, controller)
        adaptation.pins = pins
        return adaptation

    @property
    def current(self) -> Hint | None:
        """The hint in force; None before the first plan."""
        return self._controller.current

    @property
    def assignment(self) -> Assignment | None:
        """The session's part of the plan in force; None before the first plan."""
        return self._assignment

    @property
    def variant_names(self) -> list[str]:
        """All that the settings allow, smallest first."""
        return [
            Variant(network, long_side).name
            for network, long_sides in self._long_sides.items()
            for long_side in long_sides
        ]

    def snapshot(self, session: str, measured: SessionMeasurements) -> SessionSnapshot:
        """The planner's view of the session."""
        hint, budget_ms = self.current, measured.processing_budget_ms
        return SessionSnapshot(
            id=session,
            slo_ms=measured.slo_ms,
            fps=measured.fps if hint is None else hint.fps,
            size=measured.size or (16, 9),
            budget_ms=measured.slo_ms if budget_ms is None else budget_ms,
            is_inference_measured=measured.is_inference_measured,
            link_bps=self._controller.usual_bps,
            sent_long_side=0 if hint is None else hint.max_edge,
            pins=self.pins,
            networks=tuple(self._long_sides),
        )

    def pin_long_side(self, long_side: int | None) -> None:
        """Ask for pictures of this long side alone, from the next plan on; None: as planned."""
        self.pins = replace(self.pins, long_side=long_side)

    def pin_variant(self, variant: str | None) -> None:
        """Serve with this variant from the next plan on; ignored if it is of another model."""
        if variant is None or variant in self.variant_names:
            self.pins = replace(self.pins, variant=variant)

    def assign(self, assignment: Assignment) -> None:
        """Put the session's part of a plan into force."""
        if assignment != self._assignment:
            self._is_assignment_new = True
        self._assignment = assignment
        if assignment.variant is None:
            self.variants = ()
        elif self.pins.variant is not None:
            self.variants = (self.pins.variant,)
        elif assignment.fallbacks:
            self.variants = (assignment.variant, *assignment.fallbacks)
        else:
            self.variants = self._variants_up_to(Variant.parse(assignment.variant))

    def _variants_up_to(self, largest: Variant) -> tuple[str, ...]:
        return tuple(
            Variant(largest.network, long_side).name
            for long_side in reversed(self._long_sides[largest.network])
            if long_side <= largest.long_side
        )

    def repeat(self) -> None:
        """The publisher may have missed the hint in force: `decide` returns it again."""
        self._is_repeat_due = True

    def decide(
        self, measured: SessionMeasurements, now_ms: float, *, urgent: bool = False
    ) -> Hint | None:
        """The hint to send now, if any.

        Decides at most every `DECIDE_EVERY_MS`, except when `urgent` or after a new plan.
        """
        if self._assignment is None:
            return None
        due = urgent or self._is_assignment_new or now_ms - self._decided_ms >= DECIDE_EVERY_MS
        if not self._is_repeat_due and not due:
            return None
        self._decided_ms, self._is_assignment_new = now_ms, False
        changed = self._controller.decide(measured, self._assignment, now_ms)
        if changed is None and not self._is_repeat_due:
            return None
        self._is_repeat_due = False
        return self.current
