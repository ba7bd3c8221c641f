"""When a publisher that is not answered should ask whether its session still lives."""

from __future__ import annotations

PING_MS = 300.0  # of silence, after which a live server is given something to answer
ASK_MS = 450.0  # after which it is asked over HTTP
STEP_MS = 150.0  # a step counts as no longer: what came while this process was held up is unread


class Watchdog:
    """Counts the time without an answer, as the page does (docs/embed/protocol.md, silence).

    `step` is called about ten times a second, or more often.
    """

    def __init__(self) -> None:
        self._silent_ms = 0.0
        self._stepped_ms: float | None = None

    @property
    def pings(self) -> bool:
        """Whether to ping with every step."""
        return self._silent_ms >= PING_MS

    @property
    def asks(self) -> bool:
        """Whether to ask the server for the session."""
        return self._silent_ms >= ASK_MS

    def reset(self) -> None:
        """The server has answered something."""
        self._silent_ms = 0.0

    def step(self, now_ms: float) -> None:
        """Count the time since the last step."""
        if self._stepped_ms is not None:
            self._silent_ms += min(now_ms - self._stepped_ms, STEP_MS)
        self._stepped_ms = now_ms
