"""When a publisher that is not answered should ask whether its session still lives."""

from __future__ import annotations

PING_MS = 200.0  # of silence, after which a live server is given something to answer
ASK_MS = 350.0  # after which it is asked over HTTP
ASK_ROUND_TRIPS = 2.0  # or so many after the first ping, if that is longer
STEP_MS = 150.0  # a step counts as no longer: what came while this process was held up is unread


class Watchdog:
    """Counts the time without an answer, as the page does (docs/embed/protocol.md, silence).

    `step` is called about ten times a second, or more often.
    """

    def __init__(self) -> None:
        self._silent_ms = 0.0
        self._stepped_ms: float | None = None
        self._rtt_ms = 0.0

    @property
    def pings(self) -> bool:
        """Whether to ping with every step."""
        return self._silent_ms >= PING_MS

    @property
    def asks(self) -> bool:
        """Whether to ask the server for the session."""
        return self._silent_ms >= max(ASK_MS, PING_MS + ASK_ROUND_TRIPS * self._rtt_ms)

    def reset(self) -> None:
        """The server has answered something."""
        self._silent_ms = 0.0

    def step(self, now_ms: float, rtt_ms: float | None = None) -> None:
        """Count the time since the last step; `rtt_ms` of the link, where it is known."""
        self._rtt_ms = rtt_ms or 0.0
        if self._stepped_ms is not None:
            self._silent_ms += min(now_ms - self._stepped_ms, STEP_MS)
        self._stepped_ms = now_ms
