"""Hints: the long side, frame rate and bitrate that a session's publisher is asked to send.

The planner decides for all sessions at once what each should send
(`edge.scheduling.planner`); this controller moves one session there.

- **Bitrate**: as much as crosses the link in time (`edge.adaptation.bitrate_controller`), at once
  when the link worsens, but no more than the size can make use of.
- **Size**: a new size costs a key frame, several times a usual frame's bits. It changes once the
  frames at the wrong size have lost as much F1 as the key frame will: with much to gain
  within a frame or two, with little to gain after seconds, with nothing to gain never. This costs
  at most twice the optimum of a sender that knew how long the new size will stay right (the
  ski-rental argument: Karlin et al., Algorithmica 1988).
- **Frame rate**: lower where the link can't carry an encoder's minimum bitrate, where the
  devices have no room for the session, or where the camera delivers fewer frames.

The variant that serves the frames changes with the plan: that costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

from edge.adaptation.backoff import ConditionTimer, ExponentialBackoff
from edge.adaptation.bitrate_controller import MIN_BPS, BitrateController
from edge.adaptation.measurements import SessionMeasurements
from edge.adaptation.queue_response import MAX_SHARE
from edge.scheduling.assignment import Assignment, mbit

MIN_FPS = 5.0
START_BPS = 1_500_000.0
NETWORK_PART = 0.6  # of the SLO, for the network until its budget is measured
CROSSING_PART = 0.5  # of the time left for the network, in which a usual frame must cross the link
BASE_FALL = 0.5  # ms a second, by which a link's base delay is assumed to shrink
KEY_FRAME_COST = 1.5  # frames' worth of F1 that a change of size loses
FPS_DOWN_MS = 1_000.0  # between two cuts of the frame rate
FPS_UP_MS, MAX_FPS_UP_MS = 3_000.0, 60_000.0  # the wait before it rises
VARIANT_MS = 1_000.0  # between two hints that change nothing but the variant


@dataclass(frozen=True, slots=True)
class Hint:
    """Long side in pixels, frames a second, bits a second, the variant to serve, and why."""

    seq: int
    max_edge: int
    fps: float
    max_bps: int
    variant: str
    reason: str


class HintController:
    """One session's hints. Pure; times are in ms and never go back."""

    def __init__(self, *, start_bps: float = START_BPS, max_bps: float = inf) -> None:
        self._bitrate = BitrateController(start_bps, max_bps)
        self._hint: Hint | None = None
        self._is_served = True
        self._hint_ms = self._fps_ms = self._decided_ms = -inf
        self._base_ms = self._base_updated_ms = 0.0
        self._regret = 0.0  # frames' worth of F1 lost at the wrong size; below 0: too large a one
        self._fps_room, self._fps_shortage = ConditionTimer(), ConditionTimer()
        self._fps_cut_by_link = False
        self._fps_backoff = ExponentialBackoff(FPS_UP_MS, MAX_FPS_UP_MS)

    @property
    def current(self) -> Hint | None:
        """The hint in force."""
        return self._hint

    @property
    def usual_bps(self) -> float:
        """Bits a second that plans may count on: those that the link has usually carried."""
        return self._bitrate.usual_bps

    def decide(
        self, measured: SessionMeasurements, assignment: Assignment, now_ms: float
    ) -> Hint | None:
        """The new hint, or None if the one in force stands.

        To be called every 100 to 500 ms, and at once when the link steps or the plan changes.
        """
        hint = self._hint
        if hint is None:
            return self._start(measured, assignment, now_ms)
        fps, fps_reason = self._frame_rate(hint, measured, assignment, now_ms)
        self._observe_link(measured, fps, now_ms)
        long_side, size_reason = self._long_side(hint, assignment, fps, now_ms)
        useful_bps = assignment.useful_bps * (long_side / assignment.long_side) ** 2
        cap = self._bitrate.decide(useful_bps, now_ms)
        bps, bps_reason = (hint.max_bps, "") if cap is None else (round(cap.bps), cap.reason)
        variant, variant_reason = self._variant(hint, assignment, now_ms)
        self._decided_ms = now_ms
        is_served = assignment.variant is not None
        served_reason = "" if is_served == self._is_served else assignment.reason
        self._is_served = is_served
        reason = served_reason or size_reason or fps_reason or bps_reason or variant_reason
        if not reason:
            return None
        changed = replace(
            hint,
            seq=hint.seq + 1,
            max_edge=long_side,
            fps=fps,
            max_bps=bps,
            variant=variant,
            reason=reason,
        )
        return self._set(changed, now_ms)

    def _start(self, measured: SessionMeasurements, assignment: Assignment, now_ms: float) -> Hint:
        fps = max(MIN_FPS, measured.fps)
        self._observe_link(measured, fps, now_ms)
        cap = self._bitrate.decide(assignment.useful_bps or inf, now_ms)
        assert cap is not None, "the first decision always caps"
        self._is_served = assignment.variant is not None
        self._decided_ms = now_ms
        first = Hint(
            seq=1,
            max_edge=assignment.long_side,
            fps=fps,
            max_bps=round(cap.bps),
            variant=assignment.variant or "",
            reason=cap.reason if self._is_served else assignment.reason,
        )
        return self._set(first, now_ms)

    def _set(self, hint: Hint, now_ms: float) -> Hint:
        self._hint = hint
        self._hint_ms = now_ms
        return hint

    # -- bitrate --------------------------------------------------------------------------------

    def _observe_link(self, measured: SessionMeasurements, fps: float, now_ms: float) -> None:
        slo_ms, budget_ms = measured.slo_ms, measured.network_budget_ms
        if budget_ms is None:
            budget_ms = NETWORK_PART * slo_ms
        free_ms = budget_ms - self._base_delay_ms(measured, fps, now_ms)
        crossing_ms = min(max(CROSSING_PART * free_ms, 0.1 * slo_ms), 0.5 * slo_ms)
        self._bitrate.observe(measured, crossing_ms, fps, now_ms, max(budget_ms, 0.3 * slo_ms))

    def _base_delay_ms(self, measured: SessionMeasurements, fps: float, now_ms: float) -> float:
        """The part of the network time that no bitrate accounts for: encoding and distance.

        A decaying maximum: where a link slows, its fastest frames still date from before.
        """
        low_ms = measured.network_low_ms
        if self._hint is None or low_ms is None or not measured.capacity_bps:
            return 0.0
        base_ms = low_ms - 1000.0 * self._hint.max_bps / fps / measured.capacity_bps
        decay_ms = BASE_FALL * (now_ms - self._base_updated_ms) / 1000.0
        self._base_updated_ms = now_ms
        self._base_ms = min(max(0.0, base_ms, self._base_ms - decay_ms), low_ms)
        return self._base_ms

    # -- size and variant -----------------------------------------------------------------------

    def _long_side(
        self, hint: Hint, assignment: Assignment, fps: float, now_ms: float
    ) -> tuple[int, str]:
        change = assignment.long_side - hint.max_edge
        if change == 0 or self._regret * change < 0.0:
            self._regret = 0.0
        if change == 0 or assignment.variant is None:
            return hint.max_edge, ""
        frames = fps * (now_ms - self._decided_ms) / 1000.0
        self._regret += frames * max(0.0, assignment.gain) * (1.0 if change > 0 else -1.0)
        if abs(self._regret) < KEY_FRAME_COST:
            return hint.max_edge, ""
        self._regret = 0.0
        return assignment.long_side, f"{assignment.long_side} px: {assignment.reason}"

    def _variant(self, hint: Hint, assignment: Assignment, now_ms: float) -> tuple[str, str]:
        variant = assignment.variant or hint.variant
        is_due = now_ms - self._hint_ms >= VARIANT_MS
        return variant, assignment.reason if variant != hint.variant and is_due else ""

    # -- frame rate -----------------------------------------------------------------------------

    def _frame_rate(
        self, hint: Hint, measured: SessionMeasurements, assignment: Assignment, now_ms: float
    ) -> tuple[float, str]:
        wanted = max(MIN_FPS, measured.fps)
        limit, reason = wanted, "the camera gives"
        capacity_bps = measured.capacity_bps
        if capacity_bps is not None and MAX_SHARE * capacity_bps < MIN_BPS:
            limit = max(MIN_FPS, float(round(wanted * MAX_SHARE * capacity_bps / MIN_BPS)))
            reason = f"link fell to {mbit(capacity_bps)}:"
        if self._fps_shortage.update(limit < hint.fps, now_ms) < FPS_DOWN_MS:
            limit = max(limit, hint.fps)
        fps = min(hint.fps, limit)
        is_served = assignment.variant is not None
        if not is_served and now_ms - self._fps_ms >= FPS_DOWN_MS:
            fps = max(MIN_FPS, min(fps, float(int(0.75 * hint.fps))))
            reason = "server is busy:"
        # After the link's cut every frame comes back: 14 of a camera's 15 would lose one for ever.
        room = is_served and hint.fps < (limit if self._fps_cut_by_link else 0.9 * limit)
        if fps < hint.fps:
            self._fps_cut_by_link = is_served
            self._fps_backoff.decreased(now_ms)
        elif room and self._fps_cut_by_link:
            fps, reason = limit, "link is back:"  # more frames need no key frame
        elif self._fps_room.update(room, now_ms) >= self._fps_backoff.wait_ms:
            fps, reason = min(limit, float(int(1.5 * hint.fps) + 1)), "room for"
            self._fps_backoff.increased(now_ms)
        if fps == hint.fps:
            return fps, ""
        self._fps_room = ConditionTimer()
        self._fps_ms = now_ms
        return fps, f"{reason} {fps:.0f} frames a second"
