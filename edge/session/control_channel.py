"""A publisher's control messages, read within limits; what is wrong with one is said to it."""

from __future__ import annotations

from collections.abc import Callable

from edge.session.control_messages import Incoming, ProtocolError, parse
from edge.session.rate_limits import Allowance


class ControlChannel:
    """Reads at most so many messages a second, of at most so many bytes; `complain(code, message)`
    tells the publisher what was wrong."""

    def __init__(
        self, most_per_s: int, most_bytes: int, complain: Callable[[str, str], None]
    ) -> None:
        self._most_per_s = most_per_s
        self._most_bytes = most_bytes
        self._allowance = Allowance(most_per_s)
        self._complain = complain

    def read(self, text: str | bytes, now_ms: float) -> Incoming | None:
        """The message; None for one that is refused, or of a type unknown here."""
        match self._allowance.take(now_ms):
            case "refuse":
                self._complain("too_many", f"over {self._most_per_s} messages in a second")
                return None
            case "ignore":
                return None
        try:
            return parse(text, self._most_bytes)
        except ProtocolError as error:
            self._complain(error.code, str(error))
            return None
