"""A publisher's control messages: limited in rate and size, parsed, and answered with errors."""

from __future__ import annotations

from collections.abc import Callable

from edge.session.control.control_messages import Incoming, ProtocolError, parse
from edge.session.rate_limits import MessageRateLimiter


class ControlChannel:
    """Accepts at most `max_per_s` messages in a second, each of at most `max_bytes`.

    `on_error(code, message)` is called for a refused message, and at most once a second for those
    above the rate.
    """

    def __init__(
        self, max_per_s: int, max_bytes: int, on_error: Callable[[str, str], None]
    ) -> None:
        self._max_per_s = max_per_s
        self._max_bytes = max_bytes
        self._limiter = MessageRateLimiter(max_per_s)
        self._on_error = on_error

    def read(self, text: str | bytes, now_ms: float) -> Incoming | None:
        """The message; None for one that is refused, or of an unknown type."""
        match self._limiter.take(now_ms):
            case "refuse":
                self._on_error("too_many", f"over {self._max_per_s} messages in a second")
                return None
            case "ignore":
                return None
        try:
            return parse(text, self._max_bytes)
        except ProtocolError as error:
            self._on_error(error.code, str(error))
            return None
