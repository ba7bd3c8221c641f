"""What a session is asked to send: longest side, frame rate, bits.

The scheduler decides for all sessions at once what each is worth sending
(`edge.scheduling.planner`); this is the law by which one session follows.

- **Bits**: as many as cross the link in time (`edge.adaptation.bitrate_controller`), at once when
  the link worsens, but no more than the size can make use of.
- **Size**: a new one costs a key frame, several times a frame's bits, so it changes once the frames
  at the wrong size have cost as much as the key frame will: with much to gain within a frame or
  two, with little after seconds, never for nothing. That costs at most twice what a sender would
  lose that knew how long the new size stays the right one (the ski-rental argument).
- **Frames**: fewer where the link can't carry the fewest bits an encoder can make, or where the
  devices have no room for the session.

The variant that serves the frames changes with the plan: that costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

from edge.adaptation.backoff import ConditionTimer, ExponentialBackoff
from edge.adaptation.bitrate_controller import (
    CAPACITY_PART,
    MIN_BPS,
    BitrateController,
    mbit,
)
from edge.adaptation.measurements import SessionMeasurements
from edge.scheduling.assignment import Assignment

MIN_FPS = 5.0
START_BPS = 1_500_000.0
CROSSING_PART = 0.5  # of the time left for the network, that a usual frame may take to cross
BASE_FALLS = 0.5  # ms a second, that a link's distance is taken to shrink by
KEY_FRAME_COST = 1.5  # frames' worth of F1 that a change of size loses
FPS_DOWN_MS = 1_000.0  # between two cuts of the frame rate
PATIENCE_MS, MAX_PATIENCE_MS = 3_000.0, 60_000.0
VARIANT_MS = 1_000.0  # between two hints that tell of nothing but the variant


@dataclass(frozen=True, slots=True)
class Hint:
    """Longest side in pixels, frames a second, bits a second, the variant in mind, and why."""

    seq: int
    max_edge: int
    fps: float
    max_bps: int
    variant: str
    reason: str


class HintController:
    """One session's hints. Pure; times are ms and never go back."""

    def __init__(self, *, start_bps: float = START_BPS, max_bps: float = inf) -> None:
        self._cap = BitrateController(start_bps, max_bps)
        self._hint: Hint | None = None
        self._is_served = True
        self._hint_ms = self._fps_ms = self._decided_ms = -inf
        self._kept_base_ms = self._based_ms = 0.0
        self._regret = 0.0  # frames' worth of F1 lost at the wrong size; below 0: too large a one
        self._fps_room, self._fps_short = ConditionTimer(), ConditionTimer()
        self._fps_by_link = False
        self._fps_patience = ExponentialBackoff(PATIENCE_MS, MAX_PATIENCE_MS)

    @property
    def current(self) -> Hint | None:
        """The hint in force."""
        return self._hint

    @property
    def least_bps(self) -> float:
        """Bits a second that the link has carried in time of late: what can be counted on."""
        return self._cap.usual_bps

    def decide(self, m: SessionMeasurements, assignment: Assignment, now_ms: float) -> Hint | None:
        """The new hint, or None if the one in force stands; to be asked every 100 to 500 ms, and
        at once when the link steps or the plan changes."""
        hint = self._hint
        if hint is None:
            return self._start(m, assignment, now_ms)
        fps, fps_why = self._frame_rate(hint, m, assignment, now_ms)
        self._allow(m, fps, now_ms)
        long_side, long_side_why = self._long_side(hint, assignment, fps, now_ms)
        useful_bps = assignment.useful_bps * (long_side / assignment.long_side) ** 2
        cap = self._cap.decide(useful_bps, now_ms)
        bps, bps_why = (hint.max_bps, "") if cap is None else (round(cap.bps), cap.reason)
        variant, variant_why = self._variant(hint, assignment, now_ms)
        self._decided_ms = now_ms
        is_served = assignment.variant is not None
        turned = "" if is_served == self._is_served else assignment.reason
        self._is_served = is_served
        reason = turned or long_side_why or fps_why or bps_why or variant_why
        if not reason:
            return None
        return self._say(
            replace(
                hint,
                seq=hint.seq + 1,
                max_edge=long_side,
                fps=fps,
                max_bps=bps,
                variant=variant,
                reason=reason,
            ),
            now_ms,
        )

    def _start(self, m: SessionMeasurements, assignment: Assignment, now_ms: float) -> Hint:
        fps = max(MIN_FPS, m.fps)
        self._allow(m, fps, now_ms)
        cap = self._cap.decide(assignment.useful_bps or inf, now_ms)
        assert cap is not None, "the first decision always caps"
        self._is_served = assignment.variant is not None
        self._decided_ms = now_ms
        reason = cap.reason if self._is_served else assignment.reason
        variant = assignment.variant or ""
        return self._say(
            Hint(1, assignment.long_side, fps, round(cap.bps), variant, reason), now_ms
        )

    def _say(self, hint: Hint, now_ms: float) -> Hint:
        self._hint = hint
        self._hint_ms = now_ms
        return hint

    def _allow(self, m: SessionMeasurements, fps: float, now_ms: float) -> None:
        """Tells the cap what the link carries in time now."""
        left_ms = 0.6 * m.slo_ms if m.network_budget_ms is None else m.network_budget_ms
        free_ms = left_ms - self._base_ms(m, fps, now_ms)
        crossing_ms = min(max(CROSSING_PART * free_ms, 0.1 * m.slo_ms), 0.5 * m.slo_ms)
        limit_ms = max(left_ms, 0.3 * m.slo_ms)
        self._cap.allow(m, crossing_ms, fps, now_ms, limit_ms)

    def _base_ms(self, m: SessionMeasurements, fps: float, now_ms: float) -> float:
        """Of the time on the network what no bits account for: encoding, distance.

        The most that was found of late: where a link slows, its fastest frames are of before.
        """
        if self._hint is None or m.network_low_ms is None or not m.capacity_bps:
            return 0.0
        base_ms = m.network_low_ms - 1000.0 * self._hint.max_bps / fps / m.capacity_bps
        forgotten_ms = BASE_FALLS * (now_ms - self._based_ms) / 1000.0
        self._based_ms = now_ms
        kept_ms = max(0.0, base_ms, self._kept_base_ms - forgotten_ms)
        self._kept_base_ms = min(kept_ms, m.network_low_ms)
        return self._kept_base_ms

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
        late = now_ms - self._hint_ms >= VARIANT_MS
        return variant, assignment.reason if variant != hint.variant and late else ""

    def _frame_rate(
        self, hint: Hint, m: SessionMeasurements, assignment: Assignment, now_ms: float
    ) -> tuple[float, str]:
        wanted = max(MIN_FPS, m.fps)
        most, why = wanted, "the camera gives"
        if m.capacity_bps is not None and CAPACITY_PART * m.capacity_bps < MIN_BPS:
            most = max(MIN_FPS, float(round(wanted * CAPACITY_PART * m.capacity_bps / MIN_BPS)))
            why = f"link fell to {mbit(m.capacity_bps)}:"
        if self._fps_short.ms(most < hint.fps, now_ms) < FPS_DOWN_MS:
            most = max(most, hint.fps)
        fps = min(hint.fps, most)
        is_served = assignment.variant is not None
        if not is_served and now_ms - self._fps_ms >= FPS_DOWN_MS:
            fps, why = max(MIN_FPS, min(fps, float(int(0.75 * hint.fps)))), "server is busy:"
        # What the link took it gives back whole: 14 frames of a camera's 15 are one lost for good.
        room = is_served and hint.fps < (most if self._fps_by_link else 0.9 * most)
        if fps < hint.fps:
            self._fps_by_link = is_served
            self._fps_patience.down(now_ms)
        elif room and self._fps_by_link:
            fps, why = most, "link is back:"  # there is no key frame in it
        elif self._fps_room.ms(room, now_ms) >= self._fps_patience.ms:
            fps, why = min(most, float(int(1.5 * hint.fps) + 1)), "room for"
            self._fps_patience.up(now_ms)
        if fps == hint.fps:
            return fps, ""
        self._fps_room = ConditionTimer()
        self._fps_ms = now_ms
        return fps, f"{why} {fps:.0f} frames a second"
