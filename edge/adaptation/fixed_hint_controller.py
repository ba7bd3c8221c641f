"""Fixed hints: every publisher is asked for one size and one bitrate, whatever its link carries."""

from __future__ import annotations

from edge.adaptation.hint_controller import Hint
from edge.adaptation.measurements import SessionMeasurements
from edge.scheduling.assignment import Assignment


class FixedHintController:
    """One session's only hint, instead of `edge.adaptation.hint_controller.HintController`'s."""

    def __init__(self, long_side: int, bps: int) -> None:
        """The picture's long side in pixels, and bits a second."""
        self._long_side = long_side
        self._bps = bps
        self._hint: Hint | None = None

    @property
    def current(self) -> Hint | None:
        """The hint in force."""
        return self._hint

    @property
    def usual_bps(self) -> float:
        """The bitrate that plans may count on: the fixed one."""
        return float(self._bps)

    def decide(
        self, measured: SessionMeasurements, assignment: Assignment, now_ms: float
    ) -> Hint | None:
        """The hint at the first call, None at every later one."""
        if self._hint is not None:
            return None
        self._hint = Hint(
            seq=1,
            max_edge=self._long_side,
            fps=measured.fps,
            max_bps=self._bps,
            variant=assignment.variant or "",
            reason="fixed by the settings",
        )
        return self._hint
