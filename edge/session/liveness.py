"""The conditions that end a session: a publisher that fell silent, or that sends too much."""

from __future__ import annotations

from collections.abc import Collection

from edge.config import Settings
from edge.session.rate_limits import LeakyBucket, TrafficLimit

CHECK_TIMEOUT_MS = 4_000.0
"""From the offer to the first ICE check: browsers send it within a second, by TURN in two."""
HANDSHAKE_TIMEOUT_MS = 5_000.0
"""From the first check to DTLS: its timer retransmits after 1 and 3 s (RFC 6347, 4.2.4.1)."""
CONNECT_TIMEOUT_MS = 15_000.0  # from the offer to the first media
PING_TIMEOUT_MS = 8_000.0  # a page pings once a second
_SHOWN = 4  # payload types in a reason
MAX_MISSED_PER_S = 5_000.0
"""Packets missing from the sequence: three times what 16 Mbit/s are, so invented."""


class LivenessMonitor:
    """Watches a publisher's media, pings and traffic.

    A publisher that has never sent a ping is judged by its media alone.
    """

    def __init__(self, settings: Settings, opened_ms: float) -> None:
        self._opened_ms = self._media_ms = opened_ms
        self._ping_ms: float | None = None
        self._check_ms: float | None = None
        self._media_timeout_ms = settings.media_timeout_s * 1000.0
        self._traffic = TrafficLimit(settings.end_bps, settings.end_fps)
        self._invented = LeakyBucket(MAX_MISSED_PER_S)
        self._missed: tuple[float, int] | None = None

    def on_media(self, now_ms: float) -> None:
        """A frame arrived, whole or not."""
        self._media_ms = now_ms

    def on_ping(self, now_ms: float) -> None:
        self._ping_ms = now_ms

    def half_open_end_reason(self, checked: bool, now_ms: float) -> tuple[str, str] | None:
        """Why a session whose DTLS is not up must end now, as (message, code); None if it may wait.

        `checked`: an authenticated ICE check has come.
        """
        if not checked:
            late = now_ms - self._opened_ms > CHECK_TIMEOUT_MS
            return ("no connectivity check came", "timeout") if late else None
        if self._check_ms is None:
            self._check_ms = now_ms
        late = now_ms - self._check_ms > HANDSHAKE_TIMEOUT_MS
        return ("the connection was not established", "timeout") if late else None

    def end_reason(
        self,
        live: bool,
        received_bytes: int,
        frames: int,
        now_ms: float,
        missed: int = 0,
        *,
        unknown_types: Collection[int] = (),
    ) -> tuple[str, str] | None:
        """Why the session must end now, as (message, code); None if it may continue.

        `received_bytes`, `frames` and `missed` packets are totals since the start; `unknown_types`
        the payload types of RTP packets that were not negotiated.
        """
        silent_ms = now_ms - self._media_ms
        if not live and now_ms - self._opened_ms > CONNECT_TIMEOUT_MS:
            return _without_media(unknown_types), "timeout"
        if live and silent_ms > self._media_timeout_ms:
            return f"no media for {silent_ms / 1000:.0f} s", "timeout"
        if self._ping_ms is not None and now_ms - self._ping_ms > PING_TIMEOUT_MS:
            return "the page is gone", "timeout"
        if excess := self._traffic.observe(received_bytes, frames, now_ms):
            return f"too much was sent: {excess}", "excess"
        before_ms, before = self._missed or (now_ms, missed)
        self._missed = (now_ms, missed)
        invented = self._invented.add(missed - before, (now_ms - before_ms) / 1000.0)
        if invented is not None:
            return f"sequence numbers leap by {invented:.0f} packets a second", "abuse"
        return None


def _without_media(unknown_types: Collection[int]) -> str:
    if not unknown_types:
        return "no media came"
    types = ", ".join(map(str, sorted(unknown_types)[:_SHOWN]))
    return f"no video came: only payload type {types}, which the answer's video does not have"
