"""One session between the plan for all and its publisher: its snapshot, its hints, its variants."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edge.adaptation.fixed_hints import FixedHint, FixedHints
from edge.adaptation.hint_controller import Hint, HintController, Measurements
from edge.adaptation.latency_budget import LatencyBudget
from edge.profile.variant import Variant
from edge.rtc.bwe.bandwidth_estimator import BandwidthEstimator
from edge.scheduling.assignment import NO_PINS, Assignment, Snapshot

DECIDE_EVERY_MS = 100.0
USUAL = 0.5  # quantile that plans go by: the batcher sees to each frame that is worse off


@dataclass(frozen=True, slots=True)
class Link:
    """A session's measurements at a moment; None where nothing was measured yet."""

    size: tuple[int, int] | None
    slo_ms: float
    fps: float
    left_ms: float
    """Of the SLO, for queueing and inference."""
    answered: bool
    """Whether inference has been measured on this session's own frames."""
    left_for_network_ms: float | None
    capacity_bps: float | None
    available_bps: float | None
    queue_ms: float
    loss: float
    network_ms: float | None
    fastest_ms: float | None = None
    frame_bits: float | None = None

    @classmethod
    def measured(
        cls,
        budget: LatencyBudget,
        rate: BandwidthEstimator | None,
        now_ms: float,
        *,
        size: tuple[int, int] | None,
        slo_ms: float,
        fps: float,
        available_bps: float | None,
    ) -> Link:
        """From a session's legs and its link; without a `rate`, hints leave the bits alone."""
        spent_ms = sum(
            budget.quantile(leg, 0.95, now_ms) or 0.0
            for leg in ("decode", "queue", "inference", "back")
        )
        return cls(
            size=size,
            slo_ms=slo_ms,
            fps=fps,
            left_ms=budget.left_ms(slo_ms, USUAL, now_ms=now_ms),
            answered=budget.quantile("inference", 0.5) is not None,
            left_for_network_ms=slo_ms - spent_ms,
            capacity_bps=math.inf if rate is None else rate.capacity_bps,
            available_bps=available_bps,
            queue_ms=0.0 if rate is None else rate.queue_ms,
            loss=0.0 if rate is None else rate.loss,
            network_ms=None if rate is None else budget.quantile("network", 0.95, now_ms),
            fastest_ms=None if rate is None else budget.quantile("network", 0.1, now_ms),
            frame_bits=None if rate is None else rate.frame_bits(now_ms),
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

    def snapshot(self, session: str, link: Link) -> Snapshot:
        """What the planner has to know."""
        hint = self.current
        return Snapshot(
            id=session,
            slo_ms=link.slo_ms,
            fps=link.fps if hint is None else hint.fps,
            size=link.size or (16, 9),
            left_ms=link.left_ms,
            tried=link.answered,
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

    def decide(self, link: Link, now_ms: float, *, urgent: bool = False) -> Hint | None:
        """The hint to tell now, if any; an urgent question is answered however soon it comes."""
        if self._assignment is None:
            return None
        due = urgent or self._is_new or now_ms - self._decided_ms >= DECIDE_EVERY_MS
        if not self._restate and not due:
            return None
        self._decided_ms, self._is_new = now_ms, False
        changed = self._controller.decide(
            Measurements(
                slo_ms=link.slo_ms,
                fps=link.fps,
                capacity_bps=link.capacity_bps,
                available_bps=link.available_bps,
                queue_ms=link.queue_ms,
                loss=link.loss,
                frame_bits=link.frame_bits,
                network_ms=link.network_ms,
                fastest_ms=link.fastest_ms,
                left_ms=link.left_for_network_ms,
            ),
            self._assignment,
            now_ms,
        )
        if changed is None and not self._restate:
            return None
        self._restate = False
        return self.current
