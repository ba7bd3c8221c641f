"""When a session must end: a publisher that fell silent, or that sends too much."""

from __future__ import annotations

from edge.config import Settings
from edge.session.rate_limits import TrafficLimit

CONNECT_TIMEOUT_MS = 15_000.0
PING_TIMEOUT_MS = 8_000.0  # a page pings once a second


class LivenessMonitor:
    """Watches a publisher's media, pings and traffic.

    A publisher that has never sent a ping is judged by its media alone.
    """

    def __init__(self, settings: Settings, opened_ms: float) -> None:
        self._opened_ms = self._media_ms = opened_ms
        self._ping_ms: float | None = None
        self._media_timeout_ms = settings.media_timeout_s * 1000.0
        self._traffic = TrafficLimit(settings.end_bps, settings.end_fps)

    def on_media(self, now_ms: float) -> None:
        """A frame arrived, whole or not."""
        self._media_ms = now_ms

    def on_ping(self, now_ms: float) -> None:
        self._ping_ms = now_ms

    def end_reason(
        self, live: bool, received_bytes: int, frames: int, now_ms: float
    ) -> tuple[str, str] | None:
        """Why the session must end now, as (message, code); None if it may continue.

        `received_bytes` and `frames` are totals since the start.
        """
        silent_ms = now_ms - self._media_ms
        if not live and now_ms - self._opened_ms > CONNECT_TIMEOUT_MS:
            return "no media came", "timeout"
        if live and silent_ms > self._media_timeout_ms:
            return f"no media for {silent_ms / 1000:.0f} s", "timeout"
        if self._ping_ms is not None and now_ms - self._ping_ms > PING_TIMEOUT_MS:
            return "the page is gone", "timeout"
        if excess := self._traffic.observe(received_bytes, frames, now_ms):
            return f"too much was sent: {excess}", "excess"
        return None
