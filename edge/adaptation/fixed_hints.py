"""Hints that hold: every publisher is asked for one size and one rate, whatever its link does."""

from __future__ import annotations

from dataclasses import dataclass

from edge.adaptation.hint_controller import Hint
from edge.adaptation.measurements import SessionMeasurements
from edge.config import Settings
from edge.scheduling.assignment import Assignment


@dataclass(frozen=True, slots=True)
class FixedHint:
    """The longest side in pixels, and bits a second."""

    long_side: int
    bps: int

    @classmethod
    def by(cls, settings: Settings) -> FixedHint | None:
        """What the settings hold, if they do."""
        if settings.sent_edge is None or settings.sent_bps is None:
            return None
        return cls(settings.sent_edge, settings.sent_bps)


class FixedHints:
    """One session's only hint; in the place of `edge.adaptation.hint_controller.HintController`."""

    def __init__(self, held: FixedHint) -> None:
        self._held = held
        self._hint: Hint | None = None

    @property
    def current(self) -> Hint | None:
        """The hint in force."""
        return self._hint

    @property
    def least_bps(self) -> float:
        """What plans may count on: what is asked for."""
        return float(self._held.bps)

    def decide(self, m: SessionMeasurements, assignment: Assignment, now_ms: float) -> Hint | None:
        """The hint, the first time; None ever after."""
        if self._hint is not None:
            return None
        held, variant = self._held, assignment.variant or ""
        self._hint = Hint(1, held.long_side, m.fps, held.bps, variant, "held by the settings")
        return self._hint
