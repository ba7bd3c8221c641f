"""Which frames to send at a lower frame rate than the source's. Pure: times are arguments."""

from __future__ import annotations

_EARLY = 0.25  # of an interval: a frame this much early is on time, since cameras jitter


class FramePace:
    """Chooses frames at about `fps` a second, evenly; None: all."""

    def __init__(self) -> None:
        self.fps: float | None = None
        self._due_ms: float | None = None

    def is_due(self, captured_ms: float) -> bool:
        """Whether to send the frame captured then; counts it as sent."""
        if not self.fps:
            return True
        interval_ms = 1000.0 / self.fps
        if self._due_ms is None or abs(captured_ms - self._due_ms) > 1000.0 + interval_ms:
            self._due_ms = captured_ms
        if captured_ms < self._due_ms - _EARLY * interval_ms:
            return False
        # A pause is not made up for.
        self._due_ms = max(self._due_ms + interval_ms, captured_ms + (1 - _EARLY) * interval_ms)
        return True
