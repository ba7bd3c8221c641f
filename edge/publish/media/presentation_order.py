"""B-frames told from a clock that steps back, by presentation times in coding order. Pure."""

from __future__ import annotations

from collections import deque
from typing import Literal

MAX_STEP_MS = 1000.0  # back: by more, the source has begun anew
STEPS, WITHIN = 3, 600  # so many steps back in so many frames are B-frames

Order = Literal["in order", "step", "reordered"]


class PresentationOrder:
    """One source's frames, as they come."""

    def __init__(self) -> None:
        self._last_ms = float("-inf")
        self._frames = 0
        self._steps: deque[int] = deque(maxlen=STEPS)  # the numbers of frames that were steps back

    def observe(self, pts_ms: float) -> Order:
        """A frame's presentation time: "step" is one back, "reordered" one of many."""
        self._frames += 1
        is_step = self._last_ms - MAX_STEP_MS < pts_ms < self._last_ms
        self._last_ms = pts_ms
        if not is_step:
            return "in order"
        self._steps.append(self._frames)
        many = len(self._steps) == STEPS and self._frames - self._steps[0] < WITHIN
        return "reordered" if many else "step"
