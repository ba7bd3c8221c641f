"""How fast packets leave. Pure: times are arguments."""

from __future__ import annotations

from collections import deque
from math import inf

PACE = 2.5  # times the estimate: the pacer's rate, as in Chromium
BURST_MS = 5.0  # of that rate may leave at once


class PacketPacer:
    """Releases packets at `PACE` times the estimate, in bursts of `BURST_MS`.

    The queue is bounded because publishers leave frames out while packets wait.
    """

    def __init__(self, estimate_bps: float) -> None:
        self.estimate_bps = estimate_bps
        self._queue: deque[bytes] = deque()
        self._queued_bits = 0
        self._free_ms = -inf  # when the packets released so far are sent, at the paced rate

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def waiting_ms(self) -> float:
        """How long the queue takes to leave."""
        return 1000.0 * self._queued_bits / self._bps

    @property
    def _bps(self) -> float:
        return PACE * max(self.estimate_bps, 1.0)

    def push(self, packets: list[bytes]) -> None:
        self._queue.extend(packets)
        self._queued_bits += 8 * sum(map(len, packets))

    def pop(self, now_ms: float) -> bytes | None:
        """The next packet, if it may leave now."""
        if not self._queue or self._free_ms > now_ms + BURST_MS:
            return None
        packet = self._queue.popleft()
        bits = 8 * len(packet)
        self._queued_bits -= bits
        self._free_ms = max(self._free_ms, now_ms) + 1000.0 * bits / self._bps
        return packet

    def next_ms(self) -> float | None:
        """When the next packet may leave, without its burst allowance; None if there is none."""
        return self._free_ms if self._queue else None
