"""The publisher's clock, and the server's as measured by pings."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping

from edge.base.clock import now_ms

EPOCH_MS = time.time() * 1000.0 - now_ms()  # Unix time at the monotonic clock's zero
PING_MS, FIRST_PINGS, FIRST_PING_MS = 1_000.0, 10, 100.0
_KEPT = 30  # exchanges: half a minute


def unix_ms() -> float:
    """Unix milliseconds that never step, like the page's clock."""
    return EPOCH_MS + now_ms()


class ServerClock:
    """Round trip and clock offset, from the ping exchange with the shortest round trip.

    Pings are due every `PING_MS`, the first `FIRST_PINGS` of them every `FIRST_PING_MS`. Times are
    milliseconds; `t0_ms` and arrival are of the publisher's clock.
    """

    def __init__(self) -> None:
        self._exchanges: deque[tuple[float, float]] = deque(maxlen=_KEPT)  # (rtt, offset)
        self._pings = 0
        self._due_ms = 0.0

    @property
    def rtt_ms(self) -> float | None:
        """The shortest round trip; None before the first pong."""
        return min(self._exchanges)[0] if self._exchanges else None

    @property
    def offset_ms(self) -> float | None:
        """The server's clock minus the publisher's; None before the first pong."""
        return min(self._exchanges)[1] if self._exchanges else None

    def ping_due(self, at_ms: float) -> bool:
        """Whether to send a ping now; counts it as sent."""
        if at_ms < self._due_ms:
            return False
        self._due_ms = at_ms + (FIRST_PING_MS if self._pings < FIRST_PINGS else PING_MS)
        self._pings += 1
        return True

    def on_pong(self, pong: Mapping[str, float], at_ms: float) -> None:
        """Take a `pong` message that arrived at `at_ms` (NTP's exchange: RFC 5905, section 8)."""
        there_ms, back_ms = pong["t1_ms"] - pong["t0_ms"], at_ms - pong["t2_ms"]
        self._exchanges.append((there_ms + back_ms, (there_ms - back_ms) / 2.0))
