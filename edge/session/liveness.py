"""Whether a publisher is still there, and sends no more than it may."""

from __future__ import annotations

from edge.config import Settings
from edge.session.rate_limits import Excess

CONNECT_TIMEOUT_MS = 15_000.0
PING_TIMEOUT_MS = 8_000.0  # a page pings once a second


class LivenessMonitor:
    """When a session last gave a sign of life; without one for too long it ends.

    A publisher that never pinged is judged by its media alone.
    """

    def __init__(self, settings: Settings, opened_ms: float) -> None:
        self._opened_ms = self._media_ms = opened_ms
        self._ping_ms: float | None = None
        self._media_timeout_ms = settings.media_timeout_s * 1000.0
        self._excess = Excess(settings.end_bps, settings.end_fps)

    def media(self, now_ms: float) -> None:
        """Some came, of use or not."""
        self._media_ms = now_ms

    def ping(self, now_ms: float) -> None:
        self._ping_ms = now_ms

    def over(
        self, live: bool, sent_bytes: int, frames: int, now_ms: float
    ) -> tuple[str, str] | None:
        """Why it is to end now, in words and as a code; None if it may go on.

        `sent_bytes` and `frames` are totals since the start.
        """
        silent_ms = now_ms - self._media_ms
        if not live and now_ms - self._opened_ms > CONNECT_TIMEOUT_MS:
            return "no media came", "timeout"
        if live and silent_ms > self._media_timeout_ms:
            return f"no media for {silent_ms / 1000:.0f} s", "timeout"
        if self._ping_ms is not None and now_ms - self._ping_ms > PING_TIMEOUT_MS:
            return "the page is gone", "timeout"
        if too_much := self._excess.observe(sent_bytes, frames, now_ms):
            return f"too much was sent: {too_much}", "excess"
        return None
