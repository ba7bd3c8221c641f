"""A packet train: the packets of one frame, which leave the sender as a burst and whose spacing at
the receiver measures the link (packet-train dispersion: Dovrolis et al., INFOCOM 2001)."""

from __future__ import annotations

from dataclasses import dataclass

OVERHEAD_BYTES = 38  # IPv4, UDP and SRTP's tag, on every packet
TRAIN_PACKETS = 4  # a shorter train is a poor sample


@dataclass(slots=True)
class PacketTrain:
    """One frame's packets that arrived in order; `bytes` excludes the first packet.

    Arrival times in ms on the receiver's clock, send times in ms on the sender's, None without
    abs-send-time.
    """

    rtp: int
    first_ms: float
    last_ms: float
    first_sent_ms: float | None
    last_sent_ms: float | None
    first_bytes: int
    packets: int = 1
    bytes: int = 0

    def add(self, size: int, arrival_ms: float, sent_ms: float | None) -> None:
        self.packets += 1
        self.bytes += size + OVERHEAD_BYTES
        self.last_ms = arrival_ms
        self.last_sent_ms = sent_ms

    @property
    def bits(self) -> float:
        """Of all packets, the first included."""
        return 8.0 * (self.first_bytes + self.bytes)

    @property
    def span_ms(self) -> float:
        """From the first arrival to the last."""
        return max(0.0, self.last_ms - self.first_ms)

    @property
    def sent_span_ms(self) -> float:
        """From the first packet's send time to the last's; 0 without abs-send-time."""
        if self.first_sent_ms is None or self.last_sent_ms is None:
            return 0.0
        return self.last_sent_ms - self.first_sent_ms

    def is_sender_limited(self, jitter_ms: float) -> bool:
        """Whether the sender's pacer or jitter, and not the link's rate, spread the train."""
        if self.last_sent_ms is None:
            return False
        return self.span_ms < self.sent_span_ms + max(0.15 * self.sent_span_ms + 0.3, jitter_ms)
